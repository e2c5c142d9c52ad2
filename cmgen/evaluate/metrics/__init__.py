"""Formulas of the measures, as functions of arrays; no network and no run."""
