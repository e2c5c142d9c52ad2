"""Writes a gallery of odd and damaged media files, and a table of how each reader handles them.

Examples:
  python tools/make_gallery.py --output=gallery
  python tools/make_gallery.py --output=gallery --document=results/reliability.md
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from absl import flags

from cmgen.utils import cli
from cmgen.utils.errors import UserError
from cmgen.utils.files import write_text

FLAGS = flags.FlagValues()
flags.DEFINE_string("output", None, "New folder for the files.", flag_values=FLAGS)
flags.DEFINE_string(
    "document",
    None,
    'Markdown file whose section "Odd files" is written; only the files are made if left out.',
    flag_values=FLAGS,
)
GROUPS = {"What": ("output", "document")}
HEADING = "## Odd files\n"
_INTRODUCTION = """\
What the readers make of a gallery of {count} odd and bad files, written by
`python tools/make_gallery.py --output=gallery --document=results/reliability.md`;
`tests/tools/test_gallery.py` checks each outcome. Messages are cut after 120 characters. The SavedModel
takes only WAV and pictures.

| file | what is odd | reader | what it does |
|---|---|---|---|
"""


def section(table: Mapping[str, tuple[str, Mapping[str, str]]]) -> str:
    """Returns the section of the document.

    Args:
      table: file -> what is odd about it, and reader -> outcome.
    """
    from tools.gallery.readers import READERS

    rows = []
    for name, (about, outcomes) in table.items():
        grouped: dict[str, list[str]] = {}
        for reader, outcome in outcomes.items():
            grouped.setdefault(_cell(outcome), []).append(READERS[reader])
        for index, (outcome, readers) in enumerate(grouped.items()):
            file, odd = (f"`{_cell(name)}`", about) if index == 0 else ("", "")
            rows.append(f"| {file} | {odd} | {'; '.join(readers)} | {outcome} |")
    return HEADING + "\n" + _INTRODUCTION.format(count=len(table)) + "\n".join(rows) + "\n"


def with_section(text: str, new: str) -> str:
    """Returns a document with its section of this name replaced, or appended."""
    before, heading, after = text.partition(HEADING)
    if not heading:
        return f"{text.rstrip()}\n\n{new}" if text else f"# Reliability\n\n{new}"
    _, following, rest = after.partition("\n## ")
    return before + new + (following + rest if following else "")


def _cell(text: str) -> str:
    plain = text.replace("\n", "\\n").replace("|", "\\|")
    return plain if len(plain) <= 120 else plain[:119] + "…"


def main() -> None:
    if not FLAGS.output:
        raise UserError("--output: missing; name a new folder")
    sys.path.insert(0, str(Path(__file__).parents[1]))  # tf2onnx brings a package tools, too
    from tools import gallery
    from tools.gallery import collection, readers

    folder = Path(FLAGS.output)
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"--output={folder}: is not empty; name a new folder")
    odd_files: list[gallery.Odd] = collection.write_all(folder)
    print(f"{folder}: {len(odd_files)} files")
    if FLAGS.document:
        document = Path(FLAGS.document)
        table = {odd.name: (odd.about, readers.outcomes(odd, folder)) for odd in odd_files}
        text = document.read_text(encoding="utf-8") if document.exists() else ""
        write_text(document, with_section(text, section(table)))
        print(document)


def console() -> None:
    cli.run(main, GROUPS, FLAGS)


if __name__ == "__main__":
    console()
