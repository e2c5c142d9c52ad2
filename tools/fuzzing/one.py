"""Fuzzes one target until its limits are reached: python -m tools.fuzzing.one TARGET [options]."""

import sys

import atheris

with atheris.instrument_imports(include=["cmgen"], enable_loader_override=False):
    from tools.fuzzing import targets

    TARGET = targets.make(sys.argv[1])

if __name__ == "__main__":
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGET)
    atheris.Fuzz()
