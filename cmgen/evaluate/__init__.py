"""What a trained run is worth: accuracy, the other measures, comparisons, reports."""
