"""Programs that exports ship as client.py: one file each, without cmgen and without TensorFlow."""
