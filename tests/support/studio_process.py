"""The studio as a user starts it."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from browsing import heed_ctrl_c
from checkout import ROOT, free_port


class Server:
    """The studio in a process of its own."""

    def __init__(self, exports: Path, *arguments: str):
        self.url = f"http://127.0.0.1:{free_port()}/"
        port = self.url.rpartition(":")[2].strip("/")
        command = [sys.executable, "-m", "cmgen.studio", f"--exports={exports}", f"--port={port}"]
        self.process = subprocess.Popen(
            [*command, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heed_ctrl_c,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{self.url} (stop with Ctrl-C)\n"

    def post(self, path: str, data: bytes | dict[str, Any]) -> tuple[int, Any]:
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        headers = {} if isinstance(data, bytes) else {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def resident_mib(self) -> float:
        """Of the studio and its decoders, whichever of its threads began them."""
        own = self.process.pid
        lists = [path.read_text() for path in Path(f"/proc/{own}/task").glob("*/children")]
        pids = [own, *map(int, " ".join(lists).split())]
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def stop(self) -> tuple[int, str]:
        """Ctrl-C; the exit code, and everything that was logged."""
        self.process.send_signal(signal.SIGINT)
        _, logged = self.process.communicate(timeout=60)
        return self.process.returncode, logged
