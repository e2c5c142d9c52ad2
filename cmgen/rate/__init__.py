"""The human evaluation: a study, its page, the votes, the report."""
