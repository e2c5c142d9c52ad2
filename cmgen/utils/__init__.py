"""Shared by all packages: errors, files, JSON, hashes, command lines. No TensorFlow."""
