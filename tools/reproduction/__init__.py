"""Everything of the paper, trained and measured by the mains, beside the published numbers."""
