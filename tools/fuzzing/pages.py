"""Requests to the pages: any answer is fine but a server error.

An input has the method and address on its first line, a cookie on the second, and then the body.
"""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import numpy as np

from cmgen.utils.errors import UserError

if TYPE_CHECKING:
    from flask import Flask

# In an input they stand for the rater's code, for inputs that were sent before, and for a result.
CODE, SOUND, PICTURE, MADE = b"CODE", b"SOUND", b"PICTURE", b"MADE"
_CLASSES = ("bell",)
_SIDE = 32


def rating() -> Callable[[bytes], None]:
    """The rating page, with one rater, three pictures and a password."""
    from cmgen.rate.app import create_app
    from cmgen.rate.store import Store
    from cmgen.rate.study import Item, Manifest, Study, Window
    from cmgen.utils.web.access import Access

    keys = [f"{number:016x}" for number in range(3)]
    windows = tuple(Window(key, "bell", "test/bell/1.mp4", 0.5, "") for key in keys)
    items = tuple(Item(key, window, "real", "") for window, key in enumerate(keys))
    manifest = Manifest(1, _CLASSES, ("real",), windows, items, {})
    study = Study("study", manifest, dict.fromkeys(keys, b"picture"), dict.fromkeys(keys, b"sound"))
    store = Store("sqlite://", study.id)
    _, code = store.add_rater("Ada")
    app = create_app(study, store, Access("violin", requests_per_minute=0, tries_per_minute=0))
    cookie = f"rater_{study.id}=".encode()

    def send(data: bytes) -> None:
        _send(app, data.replace(CODE, code.encode()), cookie)

    return send


def studio() -> Callable[[bytes], None]:
    """The studio's page, with a model of each direction, one example, and inputs of both kinds."""
    from cmgen.config import SoundConfig
    from cmgen.export.metadata import Metadata
    from cmgen.generate.model import Model
    from cmgen.studio.app import Studio, UploadLimits, create_app
    from cmgen.studio.examples import Examples
    from cmgen.studio.store import Store
    from cmgen.studio.work_queue import WorkQueue
    from cmgen.utils.web.access import Access

    # The smallest that a sound can be made of, for the search lives on many requests.
    sound = SoundConfig(8000, n_fft=256, hop_length=128, n_mels=16, f_max=4000.0)
    shapes = {"s2i": (_SIDE, _SIDE, 3), "i2s": (sound.n_mels, sound.frames)}

    class Grey:
        def __init__(self, task: str):
            self.shape = shapes[task]

        def encode(self, condition: Any) -> Any:
            count = len(condition)
            return np.zeros((count, 2), np.float32), np.ones((count, 1), np.float32)

        def from_encoding(self, encoding: Any, noise: Any) -> Any:
            return np.zeros((len(noise), *self.shape), np.float32)

        generate = from_encoding

    sizes = sound.sample_rate, sound.window_samples, 10, _SIDE, 7
    models = {
        task: Model(Metadata(task, task, _CLASSES, *sizes, "demo", sound), Grey(task))
        for task in shapes
    }
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bell").mkdir()
        (Path(folder) / "bell" / "1.mp4").touch()
        examples: Any = _OneExample(Examples(Path(folder)).titles)
    decoders: Any = _FewDecoders()
    limits = UploadLimits(1.0, 2.0)
    store = Store(1 << 22, 1e9)
    state = Studio(models, examples, decoders, store, WorkQueue(1, 0, 1), limits)
    app = create_app(state, Access(requests_per_minute=0), limits)
    browser = app.test_client()
    keys = {}
    for kind, name in (("sound", SOUND), ("picture", PICTURE)):
        answer = browser.post("/api/example", json={"kind": kind, "number": 0}).json
        assert answer is not None
        keys[name], keys[MADE] = answer["id"], answer[kind].rpartition("/")[2]

    def send(data: bytes) -> None:
        for name, key in keys.items():
            assert store.get(key) is not None, "what is used stays"
            data = data.replace(name, key.encode())
        _send(app, data, b"")

    return send


class _OneExample:
    """In the place of the demo's recordings, which are decoded anew for every request."""

    def __init__(self, titles: tuple[str, ...]):
        self.titles = titles

    def __len__(self) -> int:
        return len(self.titles)

    def sound(self, number: int) -> Any:
        return np.zeros((30_000,)[number:][0], np.float32)

    def picture(self, number: int) -> Any:
        from cmgen.studio.examples import RealPicture

        return RealPicture(np.zeros((_SIDE, _SIDE, 3), np.uint8), self.sound(number), 0.3)

    def thumbnail(self, number: int) -> bytes:
        return (b"picture",)[number]


class _FewDecoders:
    """In the place of the studio's processes; what files may do has targets of its own."""

    def decode(self, data: bytes, name: str, check: Callable[[], None] = lambda: None) -> Any:
        from cmgen.studio.decoder import VIEW_SIZE, Picture, Sound

        if data.startswith(b"RIFF"):
            return Sound(np.zeros(30_000, np.float32), cut=True)
        if data.startswith(b"GIF"):
            pixels = {size: np.zeros((size, size, 3), np.uint8) for size in (_SIDE, VIEW_SIZE)}
            return Picture(pixels)
        raise UserError(f"{name}: is no sound, video or picture that can be read")


def _send(app: "Flask", data: bytes, cookie: bytes) -> None:
    """One request, as a WSGI server would hand it on; a fault of the server's is a finding."""
    from werkzeug.test import run_wsgi_app

    first, _, rest = data.partition(b"\n")
    value, _, body = rest.partition(b"\n")
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
        "HTTP_COOKIE": (cookie + value).decode("latin-1"),
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
