"""A newcomer at the studio: real clicks in headless Chromium."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from browsing import PATIENCE_MS, Guest
from fixtures import tone
from PIL import Image
from studio_process import Server
from tiny_exports import write_export
from uploads import photo, wav

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("studio") / "exports"
    for name, task, seed in (("s2i", "s2i", 0), ("second", "s2i", 1), ("i2s", "i2s", 2)):
        write_export(folder / name, task, seed)
    running = Server(folder, "--max_megabytes=2", "--max_seconds=6")
    yield running
    assert running.stop() == (0, "")


class Newcomer(Guest):
    """Somebody who never saw the studio."""

    def __init__(self, chromium: Any, server: Server, **options: Any):
        self.server = server
        # Chromium logs every answer that refuses something.
        super().__init__(chromium, server.url, "status of 4", permissions=["microphone"], **options)
        self.page.get_by_role("button", name="violin").first.wait_for()

    def give(self, data: bytes, name: str) -> None:
        file = {"name": name, "mimeType": "application/octet-stream", "buffer": data}
        self.page.get_by_label("Choose a file").set_input_files(file)

    def wait(self, condition: str) -> None:
        self.page.wait_for_function(f"() => {condition}", timeout=PATIENCE_MS)

    def wait_for_pictures(self, count: int, models: int = 1) -> None:
        self.wait(
            f"player.stages.length === {models} && player.stages.every((s) => s.count === {count})"
        )

    def canvas(self, index: int = 0) -> str:
        """A performer as the page shows them, as a PNG file in base64."""
        return self.page.locator("#stages canvas").nth(index).evaluate("(c) => c.toDataURL()")

    def download(self, button: Any) -> bytes:
        with self.page.expect_download() as started:
            button.click()
        return Path(started.value.path()).read_bytes()

    def leave(self) -> None:
        """Nothing was asked of other places, and nothing went wrong unseen."""
        assert {a for a in self.addresses if not a.startswith((self.server.url, "blob:"))} == set()
        assert self.complaints == []
        self.context.close()


@pytest.fixture
def newcomer(chromium: Any, server: Server) -> Iterator[Newcomer]:
    visitor = Newcomer(chromium, server)
    yield visitor
    visitor.leave()


def test_a_sound_is_given_played_changed_and_kept(newcomer: Newcomer) -> None:
    page = newcomer.page
    samples = tone(440, 3.0)
    newcomer.give(wav(samples), "my song.wav")
    newcomer.wait_for_pictures(30)
    assert page.get_by_role("heading", name="My song.wav").is_visible()
    newcomer.wait("byId('strip-image').naturalHeight === 256")
    shares = page.locator("#stages .percent").all_inner_texts()
    assert len(shares) == 3 and 95 <= sum(int(s.removesuffix(" %")) for s in shares) <= 105

    page.evaluate("byId('audio').loop = true")  # it won't have ended before somebody pauses it
    page.get_by_role("button", name="Play").click()
    newcomer.wait("player.shown > 0.3")
    page.get_by_role("button", name="Pause").click()
    newcomer.wait("byId('audio').paused")
    newcomer.wait("Math.abs(byId('time').value - byId('audio').currentTime) < 0.2")
    page.get_by_label("Moment in the sound").press("Home")
    first = newcomer.canvas()
    page.get_by_label("Moment in the sound").press("End")
    assert newcomer.canvas() != first
    page.locator("#strip").click(position={"x": 5, "y": 20})
    newcomer.wait("player.shown < 0.3")

    before = newcomer.canvas()
    page.get_by_role("button", name="Another performer").click()
    newcomer.wait("player.seed === 1 && byId('result').ariaBusy === 'false'")
    second = newcomer.canvas()
    assert second != before
    page.get_by_label("Blend into the next one").press("End")
    newcomer.wait("byId('result').ariaBusy === 'false'")
    newcomer.wait_for_pictures(30)
    third = newcomer.canvas()
    assert third != second
    page.get_by_role("button", name="Another performer").click()
    newcomer.wait("player.seed === 2 && byId('result').ariaBusy === 'false'")
    assert newcomer.canvas() == third, "the end of the way is the next performer"

    picture = newcomer.download(page.get_by_role("button", name="Picture", exact=True))
    assert Image.open(io.BytesIO(picture)).size == (512, 512)
    sound = newcomer.download(page.get_by_role("link", name="Sound", exact=True))
    np.testing.assert_allclose(soundfile.read(io.BytesIO(sound))[0], samples, atol=1 / 32768)
    spectrogram = newcomer.download(page.get_by_role("link", name="Spectrogram", exact=True))
    assert Image.open(io.BytesIO(spectrogram)).size == (2 * 259, 256)
    page.get_by_role("button", name="Video with sound").click()
    newcomer.wait("byId('video').readyState >= 2 && byId('video').videoWidth === 128")
    page.locator("#video").evaluate("(v) => v.play()")
    newcomer.wait("byId('video').currentTime > 0.2")
    assert newcomer.download(page.get_by_role("link", name="Save the video"))[4:8] == b"ftyp"


def test_bad_files_are_explained_and_the_page_goes_on(newcomer: Newcomer) -> None:
    message = newcomer.page.locator("#message")
    for data, name, text in (
        (b"", "empty.wav", "empty.wav: is empty"),
        (b"abc", "three.wav", "three.wav: is no sound, video or picture"),
        (wav(np.full(44100, np.nan, np.float32)), "nan.wav", "NaN"),
        (bytes(3 * 2**20), "large.wav", "larger than 2 MB"),
        (photo()[:-100], "half.jpg", "half.jpg: not a readable picture"),
    ):
        newcomer.give(data, name)
        message.get_by_text(text).wait_for()
    newcomer.give(wav(np.zeros(20 * 44100, np.float32), "PCM_U8"), "long.wav")
    newcomer.page.get_by_text("Only the first 6 s are used.").wait_for()
    newcomer.wait_for_pictures(60)
    assert message.is_hidden()


def hold_first(page: Any, address: str) -> list[Any]:
    """Keeps a page's first request of an address, until .continue_() of what the list then holds."""
    held: list[Any] = []
    page.route(address, lambda route: route.continue_() if held else held.append(route))
    return held


def let_go(page: Any, held: list[Any]) -> None:
    """Answers what was held, and gives the page time to do wrong with it."""
    with page.expect_response(held[0].request.url) as answered:
        held[0].continue_()
    answered.value.finished()
    page.evaluate("() => new Promise((done) => setTimeout(done, 100))")


def test_a_late_spectrogram_does_not_replace_the_next_sound_s(newcomer: Newcomer) -> None:
    page = newcomer.page
    held = hold_first(page, "**/api/lms")
    newcomer.give(wav(tone(440, 3.0)), "first.wav")
    newcomer.wait_for_pictures(30)
    assert page.locator("#strip-image").get_attribute("src") is None
    assert page.locator("#result").get_attribute("aria-busy") == "false", "it can be looked at"
    newcomer.give(wav(tone(440, 2.0)), "second.wav")
    newcomer.wait_for_pictures(20)
    newcomer.wait("byId('strip-image').naturalHeight === 256")
    second = page.locator("#strip-image").get_attribute("src")
    let_go(page, held)
    assert page.locator("#strip-image").get_attribute("src") == second
    assert page.get_by_role("link", name="Spectrogram").get_attribute("href") == second


def test_a_late_spectrogram_does_not_stand_under_the_next_sound_s_name(newcomer: Newcomer) -> None:
    page = newcomer.page
    held = hold_first(page, "**/api/lms")
    newcomer.give(wav(tone(440, 3.0)), "first.wav")
    newcomer.wait_for_pictures(30)
    waiting = hold_first(page, "**/api/pictures")
    newcomer.give(wav(tone(440, 2.0)), "second.wav")
    page.get_by_role("heading", name="Second.wav").wait_for()
    let_go(page, held)
    assert page.locator("#strip-image").get_attribute("src") is None
    let_go(page, waiting)
    newcomer.wait_for_pictures(20)
    newcomer.wait("byId('strip-image').naturalHeight === 256")


def test_a_drag_ends_with_all_pictures(newcomer: Newcomer) -> None:
    page = newcomer.page
    newcomer.give(wav(tone(440, 3.0)), "song.wav")
    newcomer.wait_for_pictures(30)
    before, held = newcomer.canvas(), hold_first(page, "**/api/pictures")
    move = "([to, ...events]) => { const slider = byId('blend'); slider.value = to; "
    move += "for (const event of events) slider.dispatchEvent(new Event(event)); }"
    page.evaluate(move, [10, "input"])
    page.evaluate(move, [50, "input", "change"])
    newcomer.wait("byId('result').ariaBusy === 'false'")
    half = newcomer.canvas()
    assert half != before
    let_go(page, held)
    newcomer.wait("!player.working")
    assert page.evaluate("player.stages[0].count") == 30 and newcomer.canvas() == half


def test_a_lost_sound_is_said_and_asked_for_again(newcomer: Newcomer) -> None:
    page, newcomer.expected = newcomer.page, "net::ERR_FAILED"
    page.route(
        "**/made/*",
        lambda route: (
            route.abort() if route.request.resource_type == "media" else route.continue_()
        ),
    )
    newcomer.give(wav(tone(440, 3.0)), "song.wav")
    newcomer.wait("byId('audio').error")
    newcomer.wait_for_pictures(30)
    page.get_by_role("button", name="Play").click()
    page.get_by_text("The sound can't be loaded").wait_for()
    page.unroute_all()
    page.get_by_role("button", name="Play").click()
    newcomer.wait("byId('audio').currentTime > 0.1")
    assert page.locator("#message").is_hidden()


def test_two_models_side_by_side(newcomer: Newcomer) -> None:
    page = newcomer.page
    page.get_by_role("button", name="cello").first.click()
    newcomer.wait_for_pictures(100)
    page.locator("#player-other").select_option("second")
    newcomer.wait_for_pictures(100, models=2)
    assert newcomer.canvas(0) != newcomer.canvas(1)
    assert (
        page.get_by_text("What s2i hears").is_visible()
        and page.get_by_text("What second hears").is_visible()
    )
    page.get_by_role("button", name="Video with sound").click()
    newcomer.wait("byId('video').videoWidth === 256 && byId('video').videoHeight === 128")
    page.locator("#player-other").select_option("")
    newcomer.wait_for_pictures(100)
    assert page.locator("#film").is_hidden(), "the video was of other pictures"


def test_a_picture_becomes_a_sound_beside_the_real_one(newcomer: Newcomer) -> None:
    page = newcomer.page
    page.get_by_role("group", name="Example pictures").get_by_role("button", name="tuba").click()
    made = page.get_by_label("Made by i2s")
    made.wait_for()
    assert page.get_by_role("heading", name="What really sounded").is_visible()
    assert page.locator("#takes img").count() == 2
    made.evaluate("(audio) => audio.play()")
    newcomer.wait("document.querySelector('.take.made audio').currentTime > 0.2")
    first = made.get_attribute("src")
    page.get_by_role("button", name="Another take").click()
    page.get_by_text("take 2").wait_for()
    assert page.get_by_label("Made by i2s").get_attribute("src") != first
    page.get_by_label("Length").select_option("2")
    newcomer.wait("Math.abs(document.querySelector('.take.made audio').duration - 2) < 0.01")
    sound = newcomer.download(page.get_by_role("link", name="Download sound").first)
    assert sound.startswith(b"RIFF")


def test_a_picture_of_one_s_own(newcomer: Newcomer) -> None:
    newcomer.give(photo(), "me.jpg")
    newcomer.page.get_by_label("Made by i2s").wait_for()
    assert newcomer.page.locator("#takes .take").count() == 1, "nobody knows what sounded"


def test_a_recording(newcomer: Newcomer) -> None:
    page = newcomer.page
    page.get_by_role("button", name="Record").click()
    # In one go, for it ends by itself at the studio's 6 s.
    newcomer.wait(
        "/^Stop .[2-5]/.test(byId('record-label').textContent) && (byId('record').click(), true)"
        " || byId('player-title').textContent === 'Your recording'"
    )
    page.get_by_role("heading", name="Your recording").wait_for()
    newcomer.wait("player.stages.length === 1 && player.stages[0].count >= 9")


def test_a_dropped_file(newcomer: Newcomer) -> None:
    newcomer.page.evaluate(
        """() => {
          const transfer = new DataTransfer();
          transfer.items.add(new File(["abc"], "dropped.mp3"));
          for (const type of ["dragover", "drop"]) {
            document.body.dispatchEvent(
              new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
          }
        }"""
    )
    newcomer.page.get_by_text("dropped.mp3: is no sound").wait_for()


def test_the_keyboard_alone_will_do(newcomer: Newcomer) -> None:
    page = newcomer.page
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.textContent") == "bassoon":
            break
    page.keyboard.press("Enter")
    newcomer.wait_for_pictures(100)
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("Space")
    newcomer.wait("byId('audio').currentTime > 0.1")


def test_a_telephone_is_wide_enough(chromium: Any, server: Server) -> None:
    telephone = {"viewport": {"width": 375, "height": 740}, "has_touch": True, "is_mobile": True}
    visitor = Newcomer(chromium, server, **telephone)
    visitor.page.get_by_role("button", name="oboe").first.tap()
    visitor.wait_for_pictures(100)
    assert visitor.page.evaluate("() => document.documentElement.scrollWidth") == 375
    assert visitor.page.get_by_role("button", name="Play").is_visible()
    visitor.leave()
