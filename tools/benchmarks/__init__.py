"""Timings of what cmgen does, for people to compare; `tools/bench.py` is the main."""
