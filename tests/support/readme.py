"""Commands and snippets of README.md and of the pages in docs/."""

import re
import shlex

from checkout import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted((ROOT / "docs").glob("*.md"))
DOCUMENTS = "\n".join([README, *(path.read_text(encoding="utf-8") for path in PAGES)])


def blocks(kind: str, text: str) -> list[str]:
    """Contents of the code blocks of a kind, e.g. "sh"."""
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


SHELL = "".join(blocks("sh", README)).splitlines()
PYTHON = blocks("python", DOCUMENTS)


def main_commands(text: str = DOCUMENTS) -> list[tuple[str, list[str]]]:
    """(main, arguments) for every command in a document that runs one of cmgen's mains.

    A main with commands stands with the command's name: "cmgen.rate serve".
    """
    found: dict[tuple[str, ...], tuple[str, list[str]]] = {}
    lines = "".join(blocks("sh", text)).replace("\\\n", " ").splitlines()
    for command in re.findall(r"`(python [^`]+)`", text) + [
        c for s in lines for c in s.split("&&")
    ]:
        match = re.search(r"python (?:-m (cmgen\.\w+)|(tools/\w+\.py)) ?(.*)", command, re.DOTALL)
        if match:
            main, arguments = match[1] or match[2], shlex.split(match[3], comments=True)
            if arguments and not arguments[0].startswith("-"):
                main = f"{main} {arguments.pop(0)}"
            found.setdefault((main, *arguments), (main, arguments))
    return list(found.values())
