"""Networks, losses and training steps, and their weights in files."""
