"""Puts the studio together and serves it."""

import ctypes
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass

from cmgen.generate.model import Model
from cmgen.studio import decoder
from cmgen.studio.app import Studio, UploadLimits, create_app
from cmgen.studio.decoder import Decoders
from cmgen.studio.examples import Examples
from cmgen.studio.store import Store
from cmgen.studio.work_queue import WorkQueue
from cmgen.utils.web import server
from cmgen.utils.web.access import Access

AT_ONCE = 2  # onnxruntime uses all cores for each
WAITING = 14
# Some threads more than may work or wait, so that everybody else is told at once to come again.
THREADS = AT_ONCE + WAITING + 8
MAX_CONNECTIONS = 400
_SWEEP_SECONDS = 5.0
_M_ARENA_MAX = -8  # glibc's name of a setting


@dataclass(frozen=True)
class Settings:
    """`limits` of what is sent, how much is kept for how long after it was last asked for, and how
    many requests of one caller work or wait at once."""

    limits: UploadLimits
    keep_megabytes: float
    keep_minutes: float
    at_once: int


def serve(
    models: Mapping[str, Model],
    access: Access,
    host: str,
    port: int,
    settings: Settings,
    ready: Callable[[str], object],
) -> None:
    """Serves until Ctrl-C.

    Args:
      models: name -> exported model.
      access: who may call the page.
      host, port: to listen on.
      settings: what is taken and kept.
      ready: called with the page's address once it can be opened.
    """
    # Else each thread that ever worked keeps a reserve of its own, a gigabyte together.
    _glibc("mallopt", _M_ARENA_MAX, 2)
    limits = settings.limits
    store = Store(int(settings.keep_megabytes * 2**20), settings.keep_minutes * 60)
    sizes = tuple({model.metadata.image_size for model in models.values()})
    work_queue = WorkQueue(AT_ONCE, WAITING, settings.at_once)
    stopped = threading.Event()
    threading.Thread(target=_sweep, args=(store, work_queue, stopped), daemon=True).start()
    with closing(
        Decoders(decoder.DecodeLimits(limits.seconds, sizes, limits.megapixels), AT_ONCE)
    ) as decoders:
        studio = Studio(models, Examples(), decoders, store, work_queue, limits)
        server.serve(
            create_app(studio, access, limits),
            access,
            host,
            port,
            f"{'any user name, and the password; ' if access.password else ''}stop with Ctrl-C",
            THREADS,
            MAX_CONNECTIONS,
            # Somewhat more than is taken, so that most of what is too large gets the page's answer.
            limits.bytes + 2**20,
            ready,
        )
    stopped.set()


def _sweep(store: Store, work_queue: WorkQueue, stopped: threading.Event) -> None:
    """Lets what is too old go though nobody asks, and its memory back to the system."""
    while not stopped.wait(_SWEEP_SECONDS):
        dropped = store.drop_old()
        if work_queue.has_finished() or dropped:
            _glibc("malloc_trim", 0)


def _glibc(name: str, *arguments: int) -> None:
    function = getattr(ctypes.CDLL(None), name, None)  # other C libraries have no such function
    if function is not None:
        function(*arguments)
