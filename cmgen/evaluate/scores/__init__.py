"""Scores of a run, each with its protocol, chance, and what real data reach."""
