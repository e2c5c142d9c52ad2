"""What browsers, or others, may send to the pages: any answer will do that is no fault of the server's.

An input has the method and address on its first line, a cookie on the second, and then the body.
"""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import numpy as np

from cmgen.errors import UserError

if TYPE_CHECKING:
    from flask import Flask

# In an input they stand for the rater's code, and for the name of a sound that was sent before.
CODE, SOUND = b"CODE", b"SOUND"
_CLASSES = ("bell",)


def rating() -> Callable[[bytes], None]:
    """The rating page, with one rater and three pictures."""
    from cmgen.access import Access
    from cmgen.rating.app import create_app
    from cmgen.rating.store import Store
    from cmgen.rating.study import Item, Manifest, Study, Window

    keys = [f"{number:016x}" for number in range(3)]
    windows = tuple(Window(key, "bell", "test/bell/1.mp4", 0.5, "") for key in keys)
    items = tuple(Item(key, window, "real", "") for window, key in enumerate(keys))
    manifest = Manifest(1, _CLASSES, ("real",), windows, items, {})
    study = Study("study", manifest, dict.fromkeys(keys, b"picture"), dict.fromkeys(keys, b"sound"))
    store = Store("sqlite://", study.id)
    _, code = store.add_rater("Ada")
    app = create_app(study, store, Access(requests_per_minute=0, tries_per_minute=0))
    cookie = f"rater_{study.id}=".encode()

    def send(data: bytes) -> None:
        _send(app, data.replace(CODE, code.encode()), cookie)

    return send


def studio() -> Callable[[bytes], None]:
    """The studio's page, with a model that makes grey pictures, and a sound of 0.7 s in its store."""
    from cmgen.access import Access
    from cmgen.config import SoundConfig
    from cmgen.exported import Exported, Facts
    from cmgen.studio_server.app import Limits, Studio, create_app
    from cmgen.studio_server.examples import Examples
    from cmgen.studio_server.gate import Gate
    from cmgen.studio_server.store import Store
    from cmgen.studio_server.work import SoundInput

    class Grey(Exported):
        def encode(self, given: Any) -> Any:
            return np.zeros((len(given), 2), np.float32), np.ones((len(given), 1), np.float32)

        def generate(self, encoding: Any, noise: Any) -> Any:
            return np.zeros((len(encoding), 32, 32, 3), np.float32)

    sound = SoundConfig()
    sizes = sound.sample_rate, sound.window_samples, 10, 32, 7
    grey = Grey(Path(), Facts("s2i", "s2i", _CLASSES, *sizes, "demo", sound))
    with tempfile.TemporaryDirectory() as empty:
        examples = Examples(Path(empty))
    store, limits = Store(1 << 20, 1e9), Limits(1.0, 2.0)
    decoders: Any = _NoDecoders()
    made = Studio({"s2i": grey}, examples, decoders, store, Gate(1, 0, 1), limits)
    app = create_app(made, Access(requests_per_minute=0), limits)
    key = store.put(SoundInput(np.zeros(30_000, np.float32)), 1)

    def send(data: bytes) -> None:
        assert store.get(key) is not None, "what is used stays"
        _send(app, data.replace(SOUND, key.encode()), b"")

    return send


class _NoDecoders:
    """In the place of the studio's; what files may do has targets of its own."""

    def decode(self, data: bytes, name: str) -> Any:
        raise UserError(f"{name}: is no sound, video or picture that can be read")


def _send(app: "Flask", data: bytes, cookie: bytes) -> None:
    """One request, as a WSGI server would hand it on; a fault of the server's is a finding."""
    from werkzeug.test import run_wsgi_app

    first, _, rest = data.partition(b"\n")
    given, _, body = rest.partition(b"\n")
    method, _, address = first.partition(b" ")
    path, _, query = address.partition(b"?")
    environ = {
        "REQUEST_METHOD": "POST" if method == b"POST" else "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/" + unquote_to_bytes(path).decode("latin-1").lstrip("/"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "HTTP_COOKIE": (cookie + given).decode("latin-1"),
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    answer, status, _ = run_wsgi_app(app, environ, buffered=True)
    assert int(status.split()[0]) < 500, (status, b"".join(answer))
