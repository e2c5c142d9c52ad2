"""Commands and snippets of README.md."""

import re
import shlex

from checkout import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(kind: str, text: str) -> list[str]:
    """Contents of the code blocks of a kind, e.g. "sh"."""
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


SHELL = "".join(blocks("sh", README)).splitlines()
PYTHON = blocks("python", README)


def main_commands(text: str = README) -> list[tuple[str, list[str]]]:
    """(main, arguments) for every command in a document that runs one of cmgen's mains.

    A main with commands stands with the command's name: "cmgen.rate serve".
    """
    found = []
    for line in "".join(blocks("sh", text)).replace("\\\n", " ").splitlines():
        for command in line.split("&&"):
            match = re.search(r"python (?:-m (cmgen\.\w+)|(tools/\w+\.py)) ?(.*)", command)
            if match:
                main, arguments = match[1] or match[2], shlex.split(match[3])
                if not arguments[0].startswith("-"):
                    main = f"{main} {arguments.pop(0)}"
                found.append((main, arguments))
    return found
