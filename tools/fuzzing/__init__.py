"""Fuzzing of cmgen's readers: random changes of valid files and requests."""
