"""What only a real server shows: refusals before the application, the proxy that is believed."""

import base64
import contextlib
import gc
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from checkout import free_port
from flask import request

from cmgen.utils.web import server
from cmgen.utils.web.access import Access
from cmgen.utils.web.app import (
    HEADERS,
    CallerGone,
    ask_password,
    caller,
    check_caller,
    create_page,
    json_values,
)

MAX_BYTES = 2**20
WORKING, FREED = threading.Semaphore(0), threading.Semaphore(0)


def work() -> str:
    """Works until its caller has gone, for a minute at most."""
    WORKING.release()
    with contextlib.suppress(CallerGone):
        for _ in range(6000):
            check_caller()
            time.sleep(0.01)
        return "nobody went"
    FREED.release()
    return ""


@contextmanager
def served(access: Access, monkeypatch: pytest.MonkeyPatch, realm: str = "") -> Iterator[int]:
    """A page that tells who calls, on this port; in a realm, it asks for the password."""
    app = create_page("cmgen.rate", {"/": "index.html"}, access, MAX_BYTES)
    app.add_url_rule("/who", "who", lambda: {"who": caller()})
    app.add_url_rule("/work", "work", work)
    app.add_url_rule("/size", "size", lambda: {"size": len(request.get_data())}, methods=["POST"])
    if realm:
        ask_password(app, access, realm)
    started, made = threading.Event(), []
    create = server.waitress.create_server

    def remember(*arguments: Any, **options: Any) -> Any:
        made.append(create(*arguments, **options))
        return made[0]

    monkeypatch.setattr(server.waitress, "create_server", remember)
    port = free_port()
    arguments = (app, access, "127.0.0.1", port, "a test", 2, 10, MAX_BYTES)
    thread = threading.Thread(
        target=server.serve, args=(*arguments, lambda url: started.set()), daemon=True
    )
    thread.start()
    assert started.wait(60)
    yield port
    made[0].close()


def ask(port: int, method: str, path: str, **headers: str) -> tuple[http.client.HTTPResponse, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest(method, path)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer, json.loads(answer.read())


def test_what_the_server_itself_refuses_is_said_as_the_page_expects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with served(Access(), monkeypatch) as port:
        for sent, status, said in (
            ({"Content_Length": str(2**40)}, 413, "larger than 1 MB. Send a smaller one."),
            ({"Content_Length": "-1"}, 400, "Bad Request."),
            ({"Transfer_Encoding": "gzip"}, 501, "Not Implemented."),
            ({"X": "a" * 20000}, 431, "Header Fields Too Large."),
        ):
            answer, content = ask(port, "POST", "/size", **sent)
            assert (answer.status, list(content)) == (status, ["error"])
            assert content["error"].endswith(said)
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS


PASSWORD = "open sesame, please"


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"ann:{password}".encode()).decode()


def begin(port: int, length: dict[str, str], password: str, **headers: str) -> tuple[int, str]:
    """The answer to the headers alone of a request."""
    given = {"Authorization": basic(password)} if password else {}
    answer, content = ask(port, "POST", "/size", **length, **headers, **given)
    return answer.status, content["error"]


def send(port: int, chunked: bool, password: str, **headers: str) -> Any:
    """The answer to a whole long request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = bytes(LONG_BYTES)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(
        "POST",
        "/size",
        iter([body]) if chunked else body,
        {"Authorization": basic(password)} | given,
    )
    return json.loads(connection.getresponse().read())


LONG_BYTES = 100_000
SIZES = ({"Content_Length": str(LONG_BYTES)}, {"Transfer_Encoding": "chunked"})


def test_long_requests_are_taken_of_those_with_the_password_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    access = Access(PASSWORD, tries_per_minute=3)
    with served(access, monkeypatch, realm="test") as port:
        for chunked, length in enumerate(SIZES):
            assert begin(port, length, "") == (401, "Give the password; load the page again.")
            assert send(port, bool(chunked), PASSWORD) == {"size": LONG_BYTES}
            assert begin(port, length, "wrong")[0] == 401
        assert ask(port, "POST", "/size", Authorization=basic("wrong"))[0].status == 401
        # The application counts with the server: nothing is left to guess by.
        assert begin(port, SIZES[0], "wrong") == begin(port, SIZES[1], PASSWORD)
        said = "Too many tries. Wait a minute, then try again."
        assert begin(port, SIZES[0], PASSWORD) == (429, said)
    monkeypatch.undo()
    with served(Access(), monkeypatch, realm="test") as port:
        assert send(port, False, "") == {"size": LONG_BYTES}


def talk(port: int, *sent: bytes) -> bytes:
    """All that is answered to these bytes, each part sent when the one before is answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        said = b""
        for part in sent:
            connection.sendall(part)
            said += connection.recv(65536)
        with contextlib.suppress(ConnectionResetError):  # what was sent after the end is not read
            while more := connection.recv(65536):
                said += more
    return said


def test_nobody_is_asked_to_send_on_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(Access(PASSWORD), monkeypatch, realm="test") as port:
        for size, status in ((LONG_BYTES, 401), (2**40, 413)):
            head = f"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n"
            said = talk(port, f"{head}Expect: 100-continue\r\n\r\n".encode())
            assert said.startswith(f"HTTP/1.1 {status} ".encode()) and said.count(b"HTTP/1.1") == 1
        head = f"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: {LONG_BYTES}\r\n"
        head += f"Expect: 100-continue\r\nAuthorization: {basic(PASSWORD)}\r\n"
        head += "Connection: close\r\n\r\n"
        said = talk(port, head.encode(), bytes(LONG_BYTES))
        assert said.startswith(b"HTTP/1.1 100 Continue") and b'{"size":100000}' in said
        answer, _ = ask(port, "POST", "/size", **SIZES[0])
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="test", charset="UTF-8"'


def test_what_follows_a_refused_head_is_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(PASSWORD, "127.0.0.1", tries_per_minute=1)
    with served(access, monkeypatch, realm="test") as port:
        head = f"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: {LONG_BYTES}\r\n\r\n"
        guess = "GET /who HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.9\r\n"
        guess += f"Authorization: {basic('wrong')}\r\n\r\n"
        said = talk(port, (head + 6 * guess).encode())
        assert said.count(b"HTTP/1.1") == 1
        answer = send(port, False, PASSWORD, X_Forwarded_For="192.0.2.9")
        assert answer == {"size": LONG_BYTES}


def test_an_upload_that_is_given_up_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def held() -> int:
        """Bytes of this process's deleted files."""
        found = 0
        for link in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                found += link.stat().st_size if "(deleted)" in str(link.readlink()) else 0
        return found

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc, to see the open files")
    gc.collect()
    with served(Access(PASSWORD), monkeypatch, realm="test") as port:
        before, size = held(), MAX_BYTES - 1
        head = f"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n"
        head += f"Authorization: {basic(PASSWORD)}\r\n\r\n"
        gc.disable()
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                connection.sendall(head.encode() + bytes(size - 1))
                wait_until(lambda: held() >= before + size - 1)
            wait_until(lambda: held() < before + size // 2)  # other files may have grown
        finally:
            gc.enable()


def test_whoever_disconnects_frees_the_thread_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both threads of the server, by more callers than there are threads."""
    with served(Access(), monkeypatch) as port:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                connection.sendall(b"GET /work HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert WORKING.acquire(timeout=60)
            assert FREED.acquire(timeout=30)
        assert ask(port, "GET", "/who")[0].status == 200


def wait_until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("198.51.100.1:5000", "198.51.100.1:5001"),
        ("[2001:db8::1]", "2001:db8::2"),
        ('"[2001:db8::1]:80"', "[2001:db8::2]:81"),
    ],
)
def test_a_caller_is_the_same_however_the_proxy_writes_it(
    monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    access = Access(PASSWORD, "127.0.0.1", tries_per_minute=1)
    with served(access, monkeypatch, realm="test") as port:
        assert begin(port, SIZES[0], "wrong", X_Forwarded_For=first)[0] == 401
        assert begin(port, SIZES[0], "wrong", X_Forwarded_For=second)[0] == 429


def test_who_guesses_behind_the_proxy_shuts_out_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    access = Access(PASSWORD, "127.0.0.1", tries_per_minute=1)
    with served(access, monkeypatch, realm="test") as port:
        guesser, other = "198.51.100.1, 192.0.2.7", "192.0.2.7, 192.0.2.8"
        assert begin(port, SIZES[0], "wrong", X_Forwarded_For=guesser)[0] == 401
        assert begin(port, SIZES[0], PASSWORD, X_Forwarded_For=guesser)[0] == 429
        assert send(port, False, PASSWORD, X_Forwarded_For=other) == {"size": LONG_BYTES}


@pytest.mark.parametrize("password", ["", PASSWORD])
def test_posts_of_other_sites_are_refused(password: str) -> None:
    access = Access(password)
    app = create_page("cmgen.rate", {"/": "index.html"}, access, MAX_BYTES)
    app.add_url_rule("/size", "size", lambda: {"size": 0}, methods=["POST"])
    browser = app.test_client()
    host = "192.168.1.5:8766" if password else "localhost:8766"
    for headers, status in (
        ({}, 200),
        ({"Origin": f"http://{host}"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": f"http://{host}", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": f"http://{host}", "Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}, 200),
        # Behind a proxy that speaks HTTPS and gives another Host.
        (
            {"Origin": "https://a.example", "Sec-Fetch-Site": "same-origin"},
            200 if password else 403,
        ),
    ):
        answer = browser.post("/size", headers={"Host": host} | headers)
        assert answer.status_code == status, headers


def test_unpaired_surrogates_are_refused() -> None:
    app = create_page("cmgen.rate", {"/": "index.html"}, Access(), MAX_BYTES)
    app.add_url_rule("/name", "name", lambda: json_values(name=str), methods=["POST"])
    browser = app.test_client()
    for text, status in (('"\\ud800"', 400), ('"a\\udfff"', 400), ('"\\ud83c\\udfbb"', 200)):
        answer = browser.post("/name", data=f'{{"name": {text}}}', content_type="application/json")
        assert answer.status_code == status
    assert answer.json == {"name": "\U0001f3bb"}


def test_callers_are_told_apart_by_a_proxy_that_is_known_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for proxy, who in (("", "127.0.0.1"), ("192.0.2.1", "127.0.0.1"), ("127.0.0.1", "192.0.2.7")):
        with served(Access("open sesame, please", proxy), monkeypatch) as port:
            _, content = ask(port, "GET", "/who", X_Forwarded_For="198.51.100.1, 192.0.2.7")
            assert content == {"who": who}
        monkeypatch.undo()
