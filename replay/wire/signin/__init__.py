"""What authorises requests: secrets from the environment, and tokens and keys that are asked for and renewed."""
