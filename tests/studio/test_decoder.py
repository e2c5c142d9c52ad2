"""What is sent becomes a sound or a picture, or is refused; processes that hang or fall are replaced."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fixtures import tone
from uploads import photo, wav

from cmgen.studio import decoder
from cmgen.studio.decoder import DecodeLimits, Decoders, Picture, Sound, decode
from cmgen.utils.errors import UserError

LIMITS = DecodeLimits(2.0, (32, 64), megapixels=0.1)


def test_content_tells_sounds_from_pictures() -> None:
    sound = decode(wav(tone(440, 1.0)), "photo.jpg", LIMITS)
    assert isinstance(sound, Sound) and not sound.cut
    np.testing.assert_array_equal(sound.samples, tone(440, 1.0))
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "BMP"):
        picture = decode(photo(kind), "song.wav", LIMITS)
        assert isinstance(picture, Picture)
        assert {n: p.shape for n, p in picture.pixels.items()} == {
            n: (n, n, 3) for n in (32, 64, decoder.VIEW_SIZE)
        }


def test_only_the_beginning_of_a_long_sound_is_taken() -> None:
    long = decode(wav(np.zeros((10 * 60 * 44100, 1), np.float32), "PCM_U8"), "long.wav", LIMITS)
    assert isinstance(long, Sound) and long.cut and len(long.samples) == 2 * 44100


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"abc", "is no sound, video or picture"),
        (b"%PDF-1.7 " + bytes(2000), "is no sound, video or picture"),
        (wav(tone(440, 0.1)), "needs at least 0.5 s"),
        (wav(np.full(44100, np.nan, np.float32)), "NaN"),
        (wav(np.full(44100, np.inf, np.float32)), "NaN or infinite"),
        (wav(tone(440, 2.0))[:100000], "truncated"),
        (photo()[:-100], "not a readable picture"),
        (photo("PNG", (400, 300)), "400 x 300 pixels, more than --max_megapixels=0.1"),
    ],
)
def test_bad_files_are_named_and_explained(data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=rf"^a file: .*{message}"):
        decode(data, "a file", LIMITS)


def test_no_file_leads_to_another(tmp_path: Any) -> None:
    """Neither playlists nor programs are formats that are taken."""
    secret = tmp_path / "secret.wav"
    secret.write_bytes(wav(tone(440, 1.0)))
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n"
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    for data in (playlist.encode(), f"ffconcat version 1.0\nfile {secret}\n".encode(), script):
        with pytest.raises(UserError, match="is no sound, video or picture"):
            decode(data, "list", LIMITS)


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    made = Decoders(LIMITS, 1, patience=20.0)
    yield made
    made.close()


def test_a_process_answers_as_the_function_does(decoders: Decoders) -> None:
    found = decoders.decode(wav(tone(440, 1.0)), "a.wav")
    assert isinstance(found, Sound)
    np.testing.assert_array_equal(found.samples, tone(440, 1.0))
    with pytest.raises(UserError, match=r"b\.wav: is empty"):
        decoders.decode(b"", "b.wav")


def only_process(decoders: Decoders) -> Any:
    process = decoders._idle.get()
    decoders._idle.put(process)
    return process._process


def test_a_process_that_fell_is_replaced(decoders: Decoders) -> None:
    fallen = only_process(decoders)
    os.kill(fallen.pid, signal.SIGKILL)
    fallen.join(60)
    with pytest.raises(UserError, match="breaks the decoder"):
        decoders.decode(photo(), "a.jpg")
    assert isinstance(decoders.decode(photo(), "a.jpg"), Picture)


def test_a_process_that_hangs_is_ended(decoders: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = only_process(decoders)
    os.kill(hanging.pid, signal.SIGSTOP)
    monkeypatch.setattr(decoders, "_patience", 0.2)
    with pytest.raises(UserError, match="took more than 0 s"):
        decoders.decode(photo(), "a.jpg")
    monkeypatch.undo()
    assert not hanging.is_alive()
    assert isinstance(decoders.decode(photo(), "a.jpg"), Picture)


def test_a_file_whose_sender_has_gone_is_not_decoded_to_its_end(decoders: Decoders) -> None:
    busy = only_process(decoders)
    os.kill(busy.pid, signal.SIGSTOP)

    def gone() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        decoders.decode(photo(), "a.jpg", gone)
    assert not busy.is_alive()
    assert isinstance(decoders.decode(photo(), "a.jpg"), Picture)
