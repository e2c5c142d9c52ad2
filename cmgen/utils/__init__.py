"""What every room needs: errors, files, JSON, hashes, command lines. No TensorFlow."""
