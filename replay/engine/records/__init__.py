"""What is written of a run while it goes on: steps, histograms, the manifest, its progress."""
