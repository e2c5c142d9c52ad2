"""What only a real server shows: refusals before the application, the proxy that is believed."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from conftest import free_port
from flask import request

from cmgen import web
from cmgen.access import Access

MAX_BYTES = 2**20


@contextmanager
def served(access: Access, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A page that tells who calls, on this port."""
    app = web.create_app("cmgen.rating", {"/": "index.html"}, access, MAX_BYTES)
    app.add_url_rule("/who", "who", lambda: {"who": web.caller()})
    app.add_url_rule("/size", "size", lambda: {"size": len(request.get_data())}, methods=["POST"])
    started, made = threading.Event(), []
    create = web.waitress.create_server

    def remember(*arguments: Any, **options: Any) -> Any:
        made.append(create(*arguments, **options))
        return made[0]

    monkeypatch.setattr(web.waitress, "create_server", remember)
    port = free_port()
    arguments = (app, access, "127.0.0.1", port, "a test", 2, 10, MAX_BYTES)
    thread = threading.Thread(
        target=web.serve, args=(*arguments, lambda url: started.set()), daemon=True
    )
    thread.start()
    assert started.wait(10)
    yield port
    made[0].close()


def ask(port: int, method: str, path: str, **headers: str) -> tuple[http.client.HTTPResponse, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
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
            assert {name: answer.headers[name] for name in web.HEADERS} == web.HEADERS


def test_callers_are_told_apart_by_a_proxy_that_is_known_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for proxy, who in (("", "127.0.0.1"), ("192.0.2.1", "127.0.0.1"), ("127.0.0.1", "192.0.2.7")):
        with served(Access("open sesame, please", proxy), monkeypatch) as port:
            _, content = ask(port, "GET", "/who", X_Forwarded_For="198.51.100.1, 192.0.2.7")
            assert content == {"who": who}
        monkeypatch.undo()
