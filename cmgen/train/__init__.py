"""Training runs: encoders, the GAN, checkpoints, logs, several workers."""
