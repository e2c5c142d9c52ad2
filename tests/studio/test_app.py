"""The studio's API: right answers, clear refusals, and nothing for strangers."""

import io
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from fixtures import CLASSES, tone, write_corpus
from flask.testing import FlaskClient
from PIL import Image
from tiny_exports import write_export
from uploads import photo, wav
from werkzeug.test import TestResponse

from cmgen.generate.exports import find_models
from cmgen.generate.model import Model
from cmgen.media import images
from cmgen.studio import app, decoder, work
from cmgen.studio.app import GONE, PAGE, STUDIO_HEADERS, Studio, UploadLimits, create_app
from cmgen.studio.decoder import Decoders
from cmgen.studio.examples import Examples
from cmgen.studio.store import Store
from cmgen.studio.work import Noise, SoundInput
from cmgen.studio.work_queue import WorkQueue
from cmgen.utils.web.access import Access

LIMITS = UploadLimits(1.0, 3.0)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("exports")
    for name, task, seed in (("s2i", "s2i", 0), ("other", "s2i", 1), ("i2s", "i2s", 2)):
        write_export(folder / name, task, seed)
    return find_models(folder)[0]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    folder = write_corpus(tmp_path_factory.mktemp("corpus"), {"test": 2})
    return Examples(folder / "test")


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    made = Decoders(decoder.DecodeLimits(LIMITS.seconds, (32,)), 1)
    yield made
    made.close()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def work_queue() -> WorkQueue:
    return WorkQueue(1, 0, 1)


@pytest.fixture
def studio(
    models: dict[str, Model],
    examples: Examples,
    decoders: Decoders,
    work_queue: WorkQueue,
    clock: Clock,
) -> Studio:
    return Studio(models, examples, decoders, Store(10 * 2**20, 60, clock), work_queue, LIMITS)


@pytest.fixture
def browser(studio: Studio) -> FlaskClient:
    return create_app(studio, Access(), LIMITS).test_client()


def send(browser: FlaskClient, data: bytes, name: str = "a file") -> TestResponse:
    return browser.post("/api/upload", query_string={"name": name}, data=data)


def perform(browser: FlaskClient, key: str, **others: Any) -> TestResponse:
    values = {"input": key, "model": "s2i", "seed": 0, "towards": 1, "percent": 0, "every": 1}
    return browser.post("/api/pictures", json=values | others)


def made(browser: FlaskClient, address: str, kind: str) -> io.BytesIO:
    answer = browser.get(address)
    assert (answer.status_code, answer.mimetype) == (200, kind)
    return io.BytesIO(answer.data)


def test_a_sound_becomes_pictures_by_each_model(
    browser: FlaskClient, models: dict[str, Model]
) -> None:
    samples = tone(440, 2.0)
    given = send(browser, wav(samples)).json
    assert (given["kind"], given["seconds"], given["notice"]) == ("sound", 2.0, "")
    played, _ = soundfile.read(made(browser, given["sound"], "audio/wav"))
    np.testing.assert_allclose(played, samples, atol=1 / 32768)
    sheets = []
    for name in ("s2i", "other"):
        answer = perform(browser, given["id"], model=name, seed=4, towards=9, percent=25).json
        assert (answer["count"], answer["size"], answer["step"]) == (20, 32, 0.1)
        noise = Noise(4, 9, 0.25)
        pictures, heard = work.perform(name, models[name], SoundInput(samples), noise, 1)
        sheets.append(np.asarray(Image.open(made(browser, answer["sheet"], "image/png"))))
        np.testing.assert_array_equal(sheets[-1], images.grid(pictures, 20, gap=0))
        np.testing.assert_allclose(answer["probabilities"], heard, atol=1e-3)
        told = json.loads(Image.open(made(browser, answer["sheet"], "image/png")).info["Comment"])
        assert (
            told["models"] == [dict(models[name].metadata.provenance)]
            and told["models"][0]["seed"] == 1
        )
        assert told["noise"] == {"seed": 4, "towards": 9, "share": 0.25}
    assert not np.array_equal(*sheets)
    few = perform(browser, given["id"], every=10).json
    assert (few["count"], few["step"], len(few["probabilities"])) == (2, 1.0, 2)
    drawn = browser.post("/api/lms", json={"input": given["id"], "model": "s2i"}).json
    assert made(browser, drawn["lms"], "image/png").getvalue().startswith(b"\x89PNG")


def test_a_video_of_two_models(browser: FlaskClient) -> None:
    given = send(browser, wav(tone(440, 1.0))).json
    values = {"input": given["id"], "seed": 0, "towards": 1, "percent": 0}
    for models, status in ((["s2i", "other"], 200), ([], 400), (["s2i"] * 3, 400), (["i2s"], 404)):
        answer = browser.post("/api/video", json=values | {"models": models})
        assert answer.status_code == status
        if status == 200:
            told = av.open(made(browser, answer.json["video"], "video/mp4")).metadata["comment"]
            assert [one["name"] for one in json.loads(told)["models"]] == models
            film = browser.get(answer.json["video"], headers={"Range": "bytes=0-99"})
            assert (film.status_code, film.mimetype, len(film.data)) == (206, "video/mp4", 100)


def test_a_picture_becomes_a_sound(browser: FlaskClient) -> None:
    given = send(browser, photo(), "photo.jpg").json
    assert given["kind"] == "picture"
    shown = Image.open(made(browser, given["picture"], "image/png"))
    assert shown.size == (decoder.VIEW_SIZE, decoder.VIEW_SIZE)
    values = {"input": given["id"], "model": "i2s", "seed": 0, "seconds": 2}
    answer = browser.post("/api/sound", json=values).json
    sound, rate = soundfile.read(made(browser, answer["sound"], "audio/wav"))
    assert (len(sound), rate, answer["real"]) == (2 * 44100, 44100, None)
    assert sum(answer["probabilities"]) == pytest.approx(1.0, abs=0.01)
    again = browser.post("/api/sound", json=values).json
    other = browser.post("/api/sound", json=values | {"seed": 1}).json
    sounds = [made(browser, a["sound"], "audio/wav") for a in (answer, again, other)]
    first, second, third = (soundfile.read(sound)[0].tolist() for sound in sounds)
    assert first == second != third
    comments = [Image.open(made(browser, other["lms"], "image/png")).info["Comment"]]
    sounds[2].seek(0)
    comments.append(soundfile.SoundFile(sounds[2]).comment)
    for comment in comments:
        told = json.loads(comment)
        assert (told["made_by"], told["noise"]) == ("cmgen.studio", {"seed": 1})
        assert told["models"][0]["name"] == "i2s" and told["versions"]["numpy"]


def test_examples_are_numbers(browser: FlaskClient, examples: Examples) -> None:
    assert browser.get("/api/studio").json["examples"] == sorted(CLASSES)
    assert browser.get("/example/1.png").data == examples.thumbnail(1)
    sound = browser.post("/api/example", json={"kind": "sound", "number": 2}).json
    played, _ = soundfile.read(made(browser, sound["sound"], "audio/wav"), dtype="float32")
    np.testing.assert_allclose(played, np.clip(examples.sound(2), -1, 1), atol=1 / 32768)
    picture = browser.post("/api/example", json={"kind": "picture", "number": 2}).json
    values = {"input": picture["id"], "model": "i2s", "seed": 0, "seconds": 2}
    real = browser.post("/api/sound", json=values).json["real"]
    sound, _ = soundfile.read(made(browser, real["sound"], "audio/wav"))
    assert 1.4 <= len(sound) / 44100 <= 1.6, "as long as the recording is"
    assert browser.get(real["lms"]).data.startswith(b"\x89PNG")
    for kind, number in (("sound", 3), ("sound", -1), ("film", 0)):
        answer = browser.post("/api/example", json={"kind": kind, "number": number})
        assert answer.status_code == 404
    for path in ("3.png", "-1.png", "bell.png", "..%2f1.png", "../1.png"):
        assert browser.get(f"/example/{path}").status_code == 404


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"abc", "is no sound, video or picture"),
        (wav(np.full(44100, np.nan, np.float32)), "NaN"),
        (wav(tone(440, 0.2)), "at least 0.5 s"),
        (photo()[:-100], "not a readable picture"),
    ],
)
def test_bad_files_get_a_clear_answer(browser: FlaskClient, data: bytes, message: str) -> None:
    answer = send(browser, data, "my song.wav")
    assert answer.status_code == 400
    assert answer.json["error"].startswith("my song.wav: ") and message in answer.json["error"]


def test_a_long_sound_is_cut_with_a_notice_and_a_large_file_refused(browser: FlaskClient) -> None:
    minutes = np.zeros(10 * 60 * 8000, np.float32)
    buffer = io.BytesIO()
    soundfile.write(buffer, minutes, 8000, format="FLAC")
    given = send(browser, buffer.getvalue()).json
    assert (given["seconds"], given["notice"]) == (3.0, "Only the first 3 s are used.")
    answer = send(browser, bytes(LIMITS.bytes + 1))
    assert (answer.status_code, answer.json["error"]) == (
        413,
        "The file is larger than 1 MB. Send a smaller one.",
    )


def test_wrong_requests_are_refused(browser: FlaskClient) -> None:
    sound = send(browser, wav(tone(440, 1.0))).json["id"]
    picture = send(browser, photo()).json["id"]
    for others, status in (
        ({"model": "nothing"}, 404),
        ({"model": "i2s"}, 404),
        ({"model": "../s2i"}, 404),
        ({"input": picture}, 404),
        ({"input": "../../etc/passwd"}, 404),
        ({"seed": -1}, 400),
        ({"seed": 2**40}, 400),
        ({"seed": "1"}, 400),
        ({"percent": 101}, 400),
        ({"every": 0}, 400),
        ({"every": True}, 400),
    ):
        answer = perform(browser, sound, **others)
        assert (others, answer.status_code) == (others, status)
        assert answer.json["error"]
    values = {"input": picture, "model": "i2s", "seed": 0, "seconds": 3600}
    assert browser.post("/api/sound", json=values).status_code == 400
    assert browser.post("/api/pictures", data=b"{", content_type="application/json").json["error"]
    assert browser.get("/api/pictures").status_code == 405


def test_results_are_forgotten(browser: FlaskClient, clock: Clock) -> None:
    given = send(browser, wav(tone(440, 1.0))).json
    clock.now = 61
    answer = perform(browser, given["id"])
    assert (answer.status_code, answer.json["error"]) == (404, GONE)
    assert browser.get(given["sound"]).status_code == 404


def test_inputs_cannot_be_fetched_as_results(browser: FlaskClient) -> None:
    given = send(browser, wav(tone(440, 1.0))).json
    assert browser.get(f"/made/{given['id']}").status_code == 404


def test_too_many_are_told_to_come_again(browser: FlaskClient, work_queue: WorkQueue) -> None:
    entered, leave = threading.Event(), threading.Event()

    def work_long() -> None:
        with work_queue.entered("somebody"):
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=work_long)
    thread.start()
    assert entered.wait(60)
    answer = send(browser, photo())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "busy" in answer.json["error"]
    assert browser.get("/").status_code == 200, "the page itself is always there"
    leave.set()
    thread.join(60)
    assert send(browser, photo()).status_code == 200


def test_an_address_of_unescaped_bytes_is_refused(browser: FlaskClient) -> None:
    answer = browser.post("/api/upload", environ_overrides={"QUERY_STRING": "name=\xff"})
    assert (answer.status_code, answer.json["error"]) == (
        400,
        "The address has characters that are not escaped.",
    )


def test_a_fault_of_ours_is_no_traceback(
    browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "sheet", lambda pictures: 1 / 0)
    given = send(browser, wav(tone(440, 1.0))).json
    answer = perform(browser, given["id"])
    assert answer.status_code == 500
    assert "division" not in answer.text and "went wrong" in answer.json["error"]


def test_every_answer_has_the_headers_and_none_names_another_place(browser: FlaskClient) -> None:
    for path in (*PAGE, "/api/studio", "/nowhere", "/made/x"):
        answer = browser.get(path)
        assert {name: answer.headers[name] for name in STUDIO_HEADERS} == STUDIO_HEADERS
        # Names of XML are no addresses.
        text = answer.text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//\w+\.\w+|@import|\son\w+=|javascript:", text)
    assert "unsafe" not in STUDIO_HEADERS["Content-Security-Policy"]
    assert "<script>" not in browser.get("/").text and " style=" not in browser.get("/").text


def test_strangers_are_refused(browser: FlaskClient) -> None:
    for host, status in (("127.0.0.1:8766", 200), ("[::1]:8766", 200), ("evil.example", 400)):
        assert browser.get("/api/studio", headers={"Host": host}).status_code == status
    for headers, status in (
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, 200),
    ):
        answer = browser.post("/api/upload", data=photo(), headers=headers)
        assert (headers, answer.status_code) == (headers, status)


@pytest.mark.parametrize(
    "path",
    ["/../app.py", "/%2e%2e/app.py", "/page/index.html", "/made/../../etc/passwd"],
)
def test_no_file_is_served_beside_the_page(browser: FlaskClient, path: str) -> None:
    assert browser.get(path).status_code in (308, 404)


def test_the_page_s_scripts_are_all_served(browser: FlaskClient) -> None:
    named = re.findall(r'(?:src|href)="(/[^"]+)"', browser.get("/").text)
    assert set(named) == set(PAGE) - {"/"}
    folder = Path(app.__file__).parent / "page"
    assert {path.name for path in folder.iterdir()} == set(PAGE.values())


def test_nothing_is_answered_without_the_password(studio: Studio) -> None:
    browser = create_app(studio, Access("open sesame, please"), LIMITS).test_client()
    anywhere = {"Host": "studio.example"}
    for path in (*PAGE, "/api/studio", "/nowhere", "/made/x", "/example/0.png"):
        answer = browser.get(path, headers=anywhere)
        assert (answer.status_code, list(answer.json)) == (401, ["error"])
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert {name: answer.headers[name] for name in STUDIO_HEADERS} == STUDIO_HEADERS
    assert browser.post("/api/upload", data=photo(), headers=anywhere).status_code == 401
    for wrong in ("open", "OPEN SESAME, PLEASE", "\u00e9", "open sesame, please!"):
        assert browser.get("/", auth=("anyone", wrong)).status_code == 401
    right = ("anyone", "open sesame, please")
    assert browser.get("/", auth=right, headers=anywhere).status_code == 200
    for header in ("Basic", "Basic %%", "Bearer open sesame, please", "Basic b3Blbg=="):
        assert browser.get("/", headers={"Authorization": header}).status_code == 401


def test_passwords_cannot_be_guessed_quickly(studio: Studio) -> None:
    access = Access("open sesame, please", tries_per_minute=3)
    browser = create_app(studio, access, LIMITS).test_client()
    for _ in range(5):  # a browser's first requests know no password yet
        assert browser.get("/").status_code == 401
    found = [browser.get("/", auth=("", "wrong")).status_code for _ in range(4)]
    assert found == [401, 401, 401, 429]
    right = ("", "open sesame, please")
    answer = browser.get("/", auth=right)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    assert browser.get("/", auth=right, environ_overrides=elsewhere).status_code == 200


def test_a_caller_in_haste_is_told_to_wait(studio: Studio) -> None:
    browser = create_app(studio, Access(requests_per_minute=3), LIMITS).test_client()
    assert [browser.get("/").status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = browser.get("/")
    assert "Too many requests" in answer.json["error"]
    assert {name: answer.headers[name] for name in STUDIO_HEADERS} == STUDIO_HEADERS
    assert browser.get("/", environ_overrides={"REMOTE_ADDR": "192.0.2.7"}).status_code == 200


@pytest.mark.parametrize("path", ["example", "pictures", "lms", "video", "sound"])
@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"input":' * 100_000])
def test_deeply_nested_requests_are_bad_ones(browser: FlaskClient, path: str, body: bytes) -> None:
    answer = browser.post(f"/api/{path}", data=body, content_type="application/json")
    assert answer.status_code == 400 and answer.json is not None and answer.json["error"]


@pytest.mark.parametrize("path", ["pictures", "video", "sound"])
def test_work_ends_for_whoever_has_gone(
    browser: FlaskClient, work_queue: WorkQueue, path: str
) -> None:
    """All that takes long looks whether somebody waits for it, and leaves its place if not."""
    sound = send(browser, wav(tone(440, 1.0))).json
    picture = send(browser, photo()).json
    assert sound is not None and picture is not None
    values = {"seed": 0, "towards": 1, "percent": 0, "every": 1, "seconds": 2, "models": ["s2i"]}
    values |= {"input": sound["id"], "model": "s2i"}
    if path == "sound":
        values |= {"input": picture["id"], "model": "i2s"}
    gone = {"waitress.client_disconnected": lambda: True}
    assert browser.post(f"/api/{path}", json=values, environ_base=gone).status_code == 499
    assert browser.post(f"/api/{path}", json=values).status_code == 200  # there is one place
