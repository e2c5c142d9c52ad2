#!/usr/bin/env bash
# Apache Beam: DirectRunner downloads a program of another language, and runs the pipeline on it.
#
# Versions: apache-beam 2.77.0, Python 3.11; about 400 MB installed.
# Expected: `--runner=DirectRunner`, the default, runs the pipeline in this Python process without
#   asking the network for anything.
# Seen on 2026-11-30: it first asks github.com for Prism, a runner written in Go, to run the pipeline on
#   it; only if that fails does Python's own runner take over, with no more than a log line.
#   --direct_running_mode=in_memory does not prevent it. --allow_unsafe_triggers does, though the
#   pipeline has no triggers, and so does --runner=FnApiRunner. Here the download is refused before it
#   leaves the process.
# Why it matters: the same preparation of data runs on one program where the network is open and on another
#   where it is not, and the first of these is pinned by no lock file.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q apache-beam==2.77.0
export HOME="$folder" # a program that was downloaded before would be taken from here
"$folder/venv/bin/python" - <<'EOF'
import logging
import sys
from unittest import mock

logging.disable(logging.WARNING)

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability import prism_runner
from apache_beam.utils import subprocess_server

print(f"apache-beam {beam.__version__}")


def run(*arguments):
    """Runs a small pipeline; the addresses that it asks for."""
    addresses = []

    def refuse(address, *others, **named):
        addresses.append(getattr(address, "full_url", address))
        raise OSError("refused by this script")

    with (
        mock.patch.object(prism_runner, "urlopen", refuse),
        mock.patch.object(subprocess_server, "urlopen", refuse),
        beam.Pipeline(options=PipelineOptions(list(arguments))) as pipeline,
    ):
        pipeline | beam.Create([1, 2, 3]) | beam.Map(lambda number: number + 1)
    return addresses


seen = {
    arguments: run(*arguments)
    for arguments in (
        (),
        ("--runner=DirectRunner", "--direct_running_mode=in_memory"),
        ("--runner=DirectRunner", "--allow_unsafe_triggers"),
        ("--runner=FnApiRunner",),
    )
}
for arguments, addresses in seen.items():
    print(f"{' '.join(arguments) or 'no options'}: expected no address, seen {addresses or 'none'}")
asks = [any("prism" in address for address in addresses) for addresses in seen.values()]
sys.exit(0 if asks == [True, True, False, False] else "the behaviour is no longer seen")
EOF
