"""What no trace may hold: secrets and personal data, and how they are taken out."""
