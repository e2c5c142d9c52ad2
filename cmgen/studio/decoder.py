"""Uploads -> sounds or pictures, decoded in processes that can be ended.

Decoders of FFmpeg's size have faults, and a thread that hangs in one stays. A process of its own is
ended when it takes too long, takes its memory with it, and falls without the studio.
"""

import contextlib
import json
import multiprocessing
import queue
import resource
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmgen.media import images
from cmgen.media.ffmpeg import UnreadableError
from cmgen.media.limits import LIMITS, MediaLimits
from cmgen.media.sound import decode_sound_bytes
from cmgen.studio.work_queue import CHECK_SECONDS
from cmgen.utils.errors import UserError

VIEW_SIZE = 256  # of a picture as the page shows it
MAX_EXTRA_BYTES = 2 * 2**30  # that one file may need
_FILES_OF_A_PROCESS = 50  # after so many a new one takes over, so that no leak adds up
_START_SECONDS = 120.0  # of a process, its imports included


@dataclass(frozen=True)
class Sound:
    """Float32 [n], mono at 44.1 kHz; `cut` if the file goes on after the longest that is taken."""

    samples: NDArray[np.float32]
    cut: bool


@dataclass(frozen=True)
class Picture:
    """Side -> uint8 [side, side, 3], the middle square: for each model's size and for the page."""

    pixels: Mapping[int, NDArray[np.uint8]]


@dataclass(frozen=True)
class DecodeLimits:
    """`seconds` of sound that are taken, `sizes` that pictures are wanted in, and how many
    `megapixels` they may have."""

    seconds: float
    sizes: tuple[int, ...]
    megapixels: float = LIMITS.megapixels


def decode(data: bytes, name: str, limits: DecodeLimits) -> Sound | Picture:
    """Finds out by its content what a file is; UserError if it is neither."""
    sizes = sorted({*limits.sizes, VIEW_SIZE})
    most = MediaLimits(limits.seconds, limits.megapixels)
    picture = images.decode_image(data, name, sizes[-1], most)
    if picture is not None:
        return Picture({size: images.square(picture, size) for size in sizes})
    try:
        return Sound(*decode_sound_bytes(data, name, limits.seconds))
    except UnreadableError as error:
        raise UserError(
            f"{name}: is no sound, video or picture that can be read, or it is damaged; convert it "
            "or send another file"
        ) from error


class Decoders:
    """So many processes that decode; each serves one thread at a time.

    Args:
      limits: of what is sent.
      count: of processes.
      patience: seconds after which a process that is still at work is ended.
    """

    def __init__(self, limits: DecodeLimits, count: int, patience: float = 20.0):
        self._limits, self._patience = limits, patience
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        for _ in range(count):
            self._idle.put(_Process(limits))
        self._count = count

    def decode(
        self, data: bytes, name: str, check: Callable[[], None] = lambda: None
    ) -> Sound | Picture:
        """As `decode`; UserError too if it takes too long, too much memory or breaks.

        `check` is called while it decodes; an error that it raises ends the process.
        """
        process = self._idle.get()
        try:
            result = process.ask(data, name, self._patience, check)
        except TimeoutError:
            process.end()
            result = f"{name}: took more than {self._patience:.0f} s to decode; send a shorter one"
        except (EOFError, OSError, ValueError):  # the process fell
            process.end()
            result = f"{name}: can't be decoded, it breaks the decoder; convert it first"
        except BaseException:  # of `check`: it is still at work
            process.end()
            raise
        finally:
            fresh = process.asked < _FILES_OF_A_PROCESS and process.alive()
            self._idle.put(process if fresh else process.successor(self._limits))
        if isinstance(result, str):
            raise UserError(result)
        return result

    def close(self) -> None:
        for _ in range(self._count):
            self._idle.get().end()


class _Process:
    def __init__(self, limits: DecodeLimits):
        context = multiprocessing.get_context("spawn")  # threads and fork don't go together
        self._here, there = context.Pipe()
        self._process = context.Process(target=_work, args=(there, limits), daemon=True)
        self._process.start()
        there.close()
        self.asked = 0

    def ask(
        self, data: bytes, name: str, patience: float, check: Callable[[], None]
    ) -> Sound | Picture | str:
        if not self.asked:
            # So that a file is not blamed for a machine on which Python takes long to start.
            self._wait(_START_SECONDS, check)
            self._here.recv_bytes()
        self.asked += 1
        self._here.send_bytes(name.encode())
        self._here.send_bytes(data)
        self._wait(patience, check)
        return _receive(self._here)

    def _wait(self, seconds: float, check: Callable[[], None]) -> None:
        """Until the process says something; TimeoutError if it doesn't in time."""
        end = time.monotonic() + seconds
        while not self._here.poll(min(CHECK_SECONDS, max(0.0, end - time.monotonic()))):
            if time.monotonic() >= end:
                raise TimeoutError
            check()

    def alive(self) -> bool:
        return self._process.is_alive()

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self._here.close()

    def successor(self, limits: DecodeLimits) -> "_Process":
        if self.alive():
            self.end()
        return _Process(limits)


def _work(connection: Connection, limits: DecodeLimits) -> None:
    """What such a process does until the studio ends: answers a Sound, a Picture or an error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the studio, which ends us
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most = used + MAX_EXTRA_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    connection.send_bytes(b"ready")
    with contextlib.suppress(EOFError):
        while True:
            name, data = connection.recv_bytes().decode(), connection.recv_bytes()
            try:
                result: Sound | Picture | str = decode(data, name, limits)
            except UserError as error:
                result = str(error)
            except MemoryError:
                result = f"{name}: needs too much memory to decode; send a smaller one"
            except Exception as error:  # whatever a decoder thinks of; the next file may be good
                result = f"{name}: can't be decoded ({type(error).__name__}); convert it first"
            _send(connection, result)
            del data, result


def _send(connection: Connection, result: Sound | Picture | str) -> None:
    """By plain bytes: what `send` pickles could run code in the studio, if a file broke in here."""
    if isinstance(result, str):
        connection.send_bytes(json.dumps({"error": result}).encode())
    elif isinstance(result, Sound):
        connection.send_bytes(json.dumps({"cut": result.cut}).encode())
        connection.send_bytes(result.samples.tobytes())
    else:
        connection.send_bytes(json.dumps({"sides": list(result.pixels)}).encode())
        for pixels in result.pixels.values():
            connection.send_bytes(pixels.tobytes())


def _receive(connection: Connection) -> Sound | Picture | str:
    about = json.loads(connection.recv_bytes())
    if "error" in about:
        return str(about["error"])
    if "cut" in about:
        return Sound(np.frombuffer(connection.recv_bytes(), np.float32), bool(about["cut"]))
    pixels = {
        side: np.frombuffer(connection.recv_bytes(), np.uint8).reshape(side, side, 3)
        for side in about["sides"]
    }
    return Picture(pixels)
