"""Serves a page with waitress, a WSGI server in pure Python; refuses what no page needs."""

import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import waitress
from flask import Flask
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.proxy_headers import MalformedProxyHeader, parse_proxy_headers
from waitress.server import BaseWSGIServer
from waitress.task import ErrorTask
from waitress.utilities import Error

from cmgen.utils.errors import FAILED_WORK, UserError
from cmgen.utils.web.access import TOO_OFTEN, UNKNOWN, Access, PasswordGuard, caller_at
from cmgen.utils.web.app import GUARD, HEADERS, RETRY_AFTER, WAIT, password_in

TOO_LARGE = 413  # of HTTP
_SHORT_BYTES = 65536  # of a request that is kept in memory
_FORWARDED = "x-forwarded-for"
# Headers of a request -> 0, or the status with which a long one is refused.
Judge = Callable[[Mapping[str, str]], int]


def serve(
    app: Flask,
    access: Access,
    host: str,
    port: int,
    note: str,
    threads: int,
    connections: int,
    max_bytes: int,
    ready: Callable[[str], object] = lambda url: None,
) -> None:
    """Serves until Ctrl-C.

    Where the application requires a password, no long request is accepted without it.

    Args:
      app: made by `create_page`.
      access: names the trusted proxy.
      host, port: to listen on.
      note: printed after the address.
      threads: answer requests.
      connections: served at once; more have to wait.
      max_bytes: allowed in the body of a request; a longer one is cut off while it arrives.
      ready: called with the page's address once it can be opened.
    """
    logging.getLogger("waitress").setLevel(logging.ERROR)
    sockets: dict[int, Any] = {}  # of the server: one for each address of the host, and a trigger
    proxy: dict[str, Any] = {}
    if access.proxy:
        proxy = {"trusted_proxy": access.proxy, "trusted_proxy_headers": _FORWARDED}
    try:
        server = waitress.create_server(
            app,
            map=sockets,
            host=host,
            port=port,
            threads=threads,
            connection_limit=connections,
            max_request_body_size=max_bytes,
            max_request_header_size=16384,
            # Lets work see that its caller has gone; see `app.check_caller`.
            channel_request_lookahead=1,
            channel_timeout=30,
            ident=None,
            clear_untrusted_proxy_headers=True,
            **proxy,
        )
    except OSError as error:
        raise UserError(
            f"--host={host} --port={port}: can't listen there ({error.strerror}); name another",
            FAILED_WORK,
        ) from error
    channel = partial(_Channel, *app.extensions.get(GUARD, (None, "")), access.proxy)
    for one in sockets.values():
        if isinstance(one, BaseWSGIServer):
            one.channel_class = channel
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    print(f"{url} ({note})", flush=True)
    ready(url)
    try:
        server.run()
    finally:
        server.close()


class _UnknownError(Error):  # waitress has no 401
    code, reason = UNKNOWN, "Unauthorized"


class _TooOftenError(Error):
    code, reason = TOO_OFTEN, "Too Many Requests"


class _Refusal(ErrorTask):
    """Answers requests that never reach the application, in the form that the page expects."""

    def execute(self) -> None:
        error = self.request.error
        message = f"{error.reason}."
        headers = [("Content-Type", "application/json"), *HEADERS.items()]
        if error.code == TOO_LARGE:
            most = self.channel.server.adj.max_request_body_size / 2**20
            message = f"The request is larger than {most:.3g} MB. Send a smaller one."
        elif error.code == UNKNOWN:
            message = "Give the password; load the page again."
            headers.append(("WWW-Authenticate", self.channel.challenge))
        elif error.code == TOO_OFTEN:
            message = f"Too many tries. {WAIT}"
            headers.append(("Retry-After", RETRY_AFTER))
        body = json.dumps({"error": message}).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.extend(headers)
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):
    """One connection.

    Args:
      guard: checks the password; None if none is required.
      challenge: the header that makes a browser ask for it.
      proxy: address of the trusted proxy.
      arguments, options: passed on to waitress.
    """

    error_task_class = _Refusal

    def __init__(
        self,
        guard: PasswordGuard | None,
        challenge: str,
        proxy: str,
        *arguments: Any,
        **options: Any,
    ):
        super().__init__(*arguments, **options)
        self.challenge = challenge
        # A parser must not refer to its channel: a cycle would keep abandoned uploads alive.
        judge = partial(_judge, guard, proxy, self.addr[0])
        self.parser_class = partial(_Parser, judge)


class _Parser(HTTPRequestParser):
    """Refuses a long request by its headers, before any of it is written to disk."""

    completed: bool

    def __init__(self, judge: Judge, *arguments: Any):
        super().__init__(*arguments)
        self._judge = judge

    def received(self, data: bytes) -> int:
        begun = self.headers_finished
        taken: int = super().received(data)
        long = self.chunked or self.content_length > _SHORT_BYTES
        if not begun and self.headers_finished and not self.completed and long:
            status = self._judge(self.headers)
            if status:
                kind = _UnknownError if status == UNKNOWN else _TooOftenError
                self.error, self.completed = kind(""), True
        if self.error is not None:
            # The connection ends: the rest is not asked for, and what follows is no request.
            self.expect_continue = False
            return len(data)
        return taken


def _judge(
    guard: PasswordGuard | None, proxy: str, address: str, headers: Mapping[str, str]
) -> int:
    """Applies `PasswordGuard.refusal`; callers behind the proxy are counted as the application does."""
    if guard is None:
        return 0
    environ = {"REMOTE_ADDR": address}
    if proxy and address == proxy and "X_FORWARDED_FOR" in headers:
        environ["HTTP_X_FORWARDED_FOR"] = headers["X_FORWARDED_FOR"]
        try:
            parse_proxy_headers(environ, 1, {_FORWARDED})
        except MalformedProxyHeader:
            return UNKNOWN
    return guard.refusal(
        caller_at(environ["REMOTE_ADDR"]), password_in(headers.get("AUTHORIZATION"))
    )
