"""Exports a run: python -m cmgen.export from a checkout."""

from cmgen.export.__main__ import FLAGS, console

__all__ = ["FLAGS"]

if __name__ == "__main__":
    console()
