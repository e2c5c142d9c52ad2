"""cmgen.studio as a user starts it: what it refuses, how fast it is there, and a crowd at once."""

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import RunMain
from fixtures import tone
from studio_process import Server
from tiny_exports import write_export
from uploads import photo, wav

CROWD = 200
MARGIN_MIB = (
    60  # what a crowd may leave behind: what Python, onnxruntime and threads keep for later
)


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studio") / "exports"
    write_export(folder / "s2i")
    write_export(folder / "i2s", "i2s")
    return folder


@pytest.fixture
def server(exports: Path) -> Iterator[Server]:
    # A crowd on one computer is one caller.
    running = Server(exports, "--keep_minutes=0.05", "--at_once=16", "--requests_per_minute=0")
    yield running
    if running.process.poll() is None:
        running.stop()


def test_it_starts_without_tensorflow_works_and_ends_by_ctrl_c(server: Server) -> None:
    status, given = server.post("api/upload?name=a.wav", wav(tone(440, 1.0)))
    assert status == 200
    noise = {"seed": 0, "towards": 1, "percent": 0}
    asked = {"input": given["id"], "model": "s2i", "every": 1, **noise}
    assert server.post("api/pictures", asked)[0] == 200
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "onnxruntime" in maps and "tensorflow" not in maps
    assert server.stop() == (0, "")


def test_no_export_says_how_to_make_one(run_main: RunMain, tmp_path: Path) -> None:
    result = run_main("cmgen.studio", f"--exports={tmp_path}")
    assert result.returncode == 2
    assert "python -m cmgen.export --workdir=" in result.stderr
    assert "Traceback" not in result.stderr


def test_others_are_let_in_only_on_purpose(
    run_main: RunMain, exports: Path, tmp_path: Path
) -> None:
    open_to_all = ("--host=0.0.0.0", "--allow_remote")
    (tmp_path / "short.txt").write_text("sesame\n")
    for arguments, said in (
        (("--host=0.0.0.0",), "--host=0.0.0.0: others could reach the page; leave it out"),
        (("--host=",), "--host=: is empty; name something, or leave the flag out"),
        (open_to_all, "give a --password_file, or set $CMGEN_STUDIO_PASSWORD"),
        (("--proxy=127.0.0.1",), "others can reach the page through it; give a --password_file"),
        ((*open_to_all, "--password_file=none.txt"), "--password_file=none.txt: can't be read"),
        (
            (*open_to_all, "--password_file=short.txt"),
            "has 6 characters; write one line of at least 12",
        ),
    ):
        result = run_main("cmgen.studio", f"--exports={exports}", *arguments)
        assert result.returncode == 2 and said in result.stderr, result.stderr


def test_a_taken_port_is_named(run_main: RunMain, exports: Path, server: Server) -> None:
    port = re.findall(r"\d+", server.url)[-1]
    result = run_main("cmgen.studio", f"--exports={exports}", f"--port={port}")
    assert result.returncode == 1 and f"--port={port}: can't listen there" in result.stderr


@pytest.mark.slow
def test_a_crowd_is_served_or_told_to_come_again_and_leaves_nothing(server: Server) -> None:
    """Twice, for what a first crowd leaves may be what a second one uses."""
    kinds: dict[str, tuple[bytes, set[int]]] = {
        "sound": (wav(tone(440, 10.0)), {200, 503}),
        "picture": (photo(), {200, 503}),
        "3 bytes": (b"abc", {400, 503}),
        "nothing": (b"", {400, 503}),
    }
    # What is kept for 3 s may be gone before a slow machine asks for its pictures.
    allowed = {kind: codes for kind, (_, codes) in kinds.items()} | {"pictures": {200, 404, 503}}
    # Both decoders and all models have worked by then.
    for name in ("first", "second", "third", "fourth"):
        server.post(f"api/upload?name={name}", wav(tone(440, 10.0)))
    time.sleep(10)
    before = server.resident_mib()
    for _ in range(2):
        answers: list[tuple[str, int]] = []

        def visit(kind: str, answers: list[tuple[str, int]] = answers) -> None:
            status, content = server.post(f"api/upload?name={kind.split()[0]}", kinds[kind][0])
            answers.append((kind, status))
            assert (status == 200) == ("error" not in content)
            if status == 200 and kind == "sound":
                noise = {"seed": 0, "towards": 1, "percent": 0}
                asked = {"input": content["id"], "model": "s2i", "every": 1, **noise}
                answers.append(("pictures", server.post("api/pictures", asked)[0]))

        names = list(kinds)
        threads = [
            threading.Thread(target=visit, args=(names[i % len(names)],)) for i in range(CROWD)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(180)
        assert not any(thread.is_alive() for thread in threads)
        assert len(answers) >= CROWD
        assert {(kind, code) for kind, code in answers if code not in allowed[kind]} == set()
        assert Counter(status for _, status in answers)[200] > 10
        # What is kept goes after 3 s, and its memory with the next sweep.
        deadline = time.monotonic() + 120
        while server.resident_mib() > before + MARGIN_MIB:
            assert time.monotonic() < deadline, "it keeps what nobody can ask for any more"
            time.sleep(1)
    assert server.post("api/upload?name=last", photo())[0] == 200
    assert server.stop() == (0, "")
