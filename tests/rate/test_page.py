"""A person with a keyboard, one with a telephone: the served page in headless Chromium."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import PATIENCE_MS, Guest, heed_ctrl_c
from checkout import ROOT, free_port
from tiny_study import SOURCES, write_study

pytestmark = pytest.mark.slow

TOTAL = 6 * len(SOURCES)


class Server:
    """`cmgen.rate serve` as a user starts it."""

    def __init__(self, study: Path, port: int, **environment: str):
        self.url = f"http://127.0.0.1:{port}/"
        command = [
            sys.executable,
            "-m",
            "cmgen.rate",
            "serve",
            f"--study={study}",
            f"--port={port}",
        ]
        self._process = subprocess.Popen(
            command,
            cwd=study.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=heed_ctrl_c,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith(self.url)

    def stop(self) -> int:
        self._process.send_signal(2)  # Ctrl-C
        return self._process.wait(timeout=60)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_study(tmp_path / "study")


@pytest.fixture
def server(study: Path) -> Iterator[Server]:
    running = Server(study, free_port())
    yield running
    running.stop()


class Visitor(Guest):
    """A rater."""

    def __init__(self, chromium: Any, url: str, **options: Any):
        # Chromium logs the answer 401 of a browser that nobody has joined in yet.
        super().__init__(chromium, url, "401", **options)

    def join(self, name: str) -> None:
        self.page.get_by_label("Your name").fill(name)
        self.page.get_by_role("button", name="Take part").click()
        self.page.get_by_role("button", name="Begin").click()
        self.wait_for(0)

    def wait_for(self, place: int) -> None:
        """Until the picture at `place` may be judged."""
        self.page.wait_for_function(
            """(count) => document.querySelector("#count").textContent.startsWith(count)
               && !document.querySelector("#scores button").disabled""",
            arg=f"{place + 1} of ",
        )

    def see(self, text: str) -> None:
        self.page.get_by_text(text).wait_for()


def wait_until(done: Any, seconds: float = PATIENCE_MS / 1000) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_person_with_a_keyboard(chromium: Any, server: Server, study: Path) -> None:
    visitor = Visitor(chromium, server.url)
    visitor.join("Ada")
    page = visitor.page
    assert page.evaluate("current.image.naturalWidth") == 64
    wait_until(lambda: page.evaluate("current.audio.currentTime") > 0)  # it plays by itself
    for place in range(5):
        page.keyboard.press(str(place % 4))
        visitor.wait_for(place + 1)
    page.keyboard.press("7")  # no score
    wait_until(lambda: page.evaluate("current.audio.ended"))
    page.evaluate(
        """() => {
          window.again = false;
          current.audio.addEventListener("playing", () => { window.again = true; });
        }"""
    )
    page.keyboard.press(" ")
    wait_until(lambda: page.evaluate("again"))

    page.keyboard.press("Backspace")
    visitor.see("changing your last score")
    visitor.wait_for(4)
    assert page.locator("#scores .chosen kbd").inner_text() == "0"
    page.keyboard.press("3")
    visitor.wait_for(5)
    page.keyboard.press("ArrowLeft")
    visitor.wait_for(4)
    assert page.locator("#scores .chosen kbd").inner_text() == "3"
    page.keyboard.press("ArrowLeft")  # back again, without a change
    visitor.wait_for(5)

    page.reload()
    page.get_by_role("button", name=f"Go on at picture 6 of {TOTAL}").click()
    for place in range(5, TOTAL):
        visitor.wait_for(place)
        page.keyboard.press("2")
    visitor.see("Thank you")
    assert visitor.complaints == []
    rows = [line.split(" | ") for line in report_of(study).splitlines()]
    votes = {row[0].strip("| "): row[5] for row in rows if len(row) == 8}
    assert {source: votes[source] for source in SOURCES} == dict.fromkeys(SOURCES, "6")


def report_of(study: Path) -> str:
    command = [sys.executable, "-m", "cmgen.rate", "report", f"--study={study}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_a_person_with_a_telephone(chromium: Any, server: Server) -> None:
    telephone = {"viewport": {"width": 375, "height": 667}, "has_touch": True, "is_mobile": True}
    visitor = Visitor(chromium, server.url, **telephone)
    visitor.join("Bo")
    page = visitor.page
    for place in range(2):
        box = page.locator("#scores button").last.bounding_box()
        assert box["y"] + box["height"] <= 667, "the scores must be in sight without scrolling"
        assert page.evaluate("[scrollY, document.documentElement.scrollWidth]") == [0, 375]
        page.get_by_role("button", name="another instrument").tap()
        visitor.wait_for(place + 1)
    page.get_by_role("button", name="Change the last score").tap()
    visitor.wait_for(1)
    assert visitor.complaints == []


def test_a_rater_moves_to_another_browser_by_code(chromium: Any, server: Server) -> None:
    first = Visitor(chromium, server.url)
    first.page.get_by_label("Your name").fill("Cy")
    first.page.get_by_role("button", name="Take part").click()
    first.see("Welcome, Cy")
    code = first.page.locator("#code").inner_text()
    assert re.fullmatch(r"(\w{4}-){3}\w{4}", code)
    first.page.get_by_role("button", name="Begin").click()
    first.wait_for(0)
    first.page.keyboard.press("3")
    first.wait_for(1)

    second = Visitor(chromium, server.url)
    second.page.get_by_label("Your name").fill("Cy")
    second.page.get_by_role("button", name="Take part").click()
    second.see("This name is taken")
    second.page.get_by_role("button", name="I have a code from before").click()
    second.page.get_by_label("Your code").fill(code)
    second.page.get_by_role("button", name="Take part").click()
    second.page.get_by_role("button", name="Go on at picture 2").click()
    second.wait_for(1)
    for place in (1, 2):
        second.page.keyboard.press("1")
        second.wait_for(place + 1)
    # The first browser is behind now: its vote is refused and it goes to where the rater is.
    with first.page.expect_response("**/api/vote") as answered:
        first.page.keyboard.press("0")
    assert answered.value.status == 409
    first.wait_for(3)


def test_nothing_tells_sources_or_comes_from_elsewhere(chromium: Any, server: Server) -> None:
    visitor = Visitor(chromium, server.url)
    visitor.join("Di")
    for place in range(3):
        visitor.page.keyboard.press("1")
        visitor.wait_for(place + 1)
    assert all(address.startswith(server.url) for address in visitor.addresses)
    said = visitor.page.content() + " ".join(visitor.addresses)
    assert not any(word in said for word in ("S2I", "bell", "drum", "flute"))


def test_the_server_goes_away_and_comes_back(chromium: Any, study: Path) -> None:
    port = free_port()
    server = Server(study, port)
    visitor = Visitor(chromium, server.url)
    visitor.join("Ed")
    visitor.page.keyboard.press("3")
    visitor.wait_for(1)
    assert server.stop() == 0
    visitor.page.keyboard.press("2")
    visitor.see("The server can't be reached")
    server = Server(study, port)
    try:
        visitor.page.keyboard.press("2")
        visitor.wait_for(2)
    finally:
        server.stop()


class Losing:
    """Ends a page's requests without an answer: the first of each address, or all."""

    def __init__(self, page: Any, addresses: str):
        self.all = False
        self.lost: list[str] = []
        page.route(addresses, self._lose)

    def _lose(self, route: Any) -> None:
        address = route.request.url
        if self.all or address not in self.lost:
            self.lost.append(address)
            route.abort()
        else:
            route.continue_()


def test_what_was_lost_while_it_loaded_ahead_is_asked_for_again(
    chromium: Any, server: Server
) -> None:
    visitor = Visitor(chromium, server.url)
    losing = Losing(visitor.page, "**/api/*/1")
    visitor.join("Gus")
    wait_until(lambda: visitor.page.evaluate("next?.audio.error != null") and len(losing.lost) == 2)
    assert sorted(losing.lost) == [f"{server.url}api/{what}/1" for what in ("picture", "sound")]
    visitor.page.keyboard.press("3")
    visitor.wait_for(1)
    assert visitor.page.evaluate("current.image.naturalWidth") == 64
    wait_until(lambda: visitor.page.evaluate("current.audio.currentTime") > 0)


def test_a_picture_that_stays_away_is_said_and_the_vote_is_kept(
    chromium: Any, server: Server
) -> None:
    visitor = Visitor(chromium, server.url)
    losing = Losing(visitor.page, "**/api/picture/1")
    losing.all = True
    visitor.join("Hal")
    visitor.page.keyboard.press("3")
    visitor.see("The picture can't be loaded")
    visitor.page.keyboard.press("2")  # judges nothing that isn't seen
    losing.all = False
    visitor.page.reload()
    visitor.page.get_by_role("button", name=f"Go on at picture 2 of {TOTAL}").click()
    visitor.wait_for(1)


def test_a_sound_that_stays_away_is_said(chromium: Any, server: Server) -> None:
    visitor = Visitor(chromium, server.url)
    losing = Losing(visitor.page, "**/api/sound/0")
    losing.all = True
    visitor.join("Ida")
    visitor.see("The sound can't be loaded")
    losing.all = False
    visitor.page.keyboard.press(" ")
    wait_until(lambda: visitor.page.evaluate("current.audio.currentTime") > 0)
    visitor.page.locator("#message").wait_for(state="hidden")


def test_a_password_is_asked_for(chromium: Any, study: Path) -> None:
    server = Server(study, free_port(), CMGEN_RATING_PASSWORD="open sesame, please")
    try:
        visitor = Visitor(chromium, server.url)
        visitor.page.get_by_label("Password of the study").fill("wrong")
        visitor.page.get_by_label("Your name").fill("Flo")
        visitor.page.get_by_role("button", name="Take part").click()
        visitor.see("The password of the study is wrong")
        visitor.page.get_by_label("Password of the study").fill("open sesame, please")
        visitor.join("Flo")
    finally:
        server.stop()
