"""What our web pages share: fixed files from memory, who may call, headers, errors, the server.

A page is a few fixed answers and an API beside them; no path of a request reaches the file system.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping
from functools import partial
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import waitress
from flask import Flask, Response, abort, jsonify, request
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer
from waitress.task import ErrorTask
from waitress.utilities import Error
from werkzeug.datastructures import Authorization
from werkzeug.exceptions import HTTPException

from cmgen.access import TOO_OFTEN, UNKNOWN, Access, Allowance, Door, caller_at
from cmgen.errors import FAILED_WORK, UserError

HTTP_TOO_LARGE = 413
_DOOR = "cmgen_door"  # among an application's extensions, where it asks for a password
_SHORT_BYTES = 65536  # of a request that is kept in memory
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Who leaves a shared computer leaves nothing behind in its browser.
    "Cache-Control": "no-store",
}
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def create_app(
    package: str,
    page: Mapping[str, str],
    access: Access,
    max_bytes: int,
    headers: Mapping[str, str] = HEADERS,
) -> Flask:
    """An application that serves a page's fixed files, to which the caller adds an API.

    Args:
      package: in whose folder `page` the files lie.
      page: address -> file name; read once.
      access: who may call the page. A password is left to the caller; see `ask_password`.
      max_bytes: of a request's body.
      headers: of every answer.
    """
    app = Flask(package, static_folder=None, template_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=max_bytes)
    folder = resources.files(package) / "page"
    for path, name in page.items():
        kind = _KINDS[name[name.rindex(".") :]]
        app.add_url_rule(path, name, _fixed((folder / name).read_bytes(), kind))
    app.before_request(partial(_refuse_strangers, access.hosts))
    app.before_request(partial(_refuse_haste, Allowance(access.requests_per_minute)))
    app.before_request(_refuse_other_letters)
    app.after_request(partial(_add_headers, headers))
    app.register_error_handler(HTTPException, _explain)
    return app


def ask_password(app: Flask, access: Access, realm: str) -> None:
    """Lets nobody in without the password, if there is one; browsers ask for it by themselves.

    HTTP Basic authentication (RFC 7617); any user name will do. `serve` takes no long request of
    who doesn't give it.
    """
    if access.password:
        door = app.extensions[_DOOR] = Door(access)
        app.before_request(partial(_refuse_unknown, door, realm))


def caller() -> str:
    """Who sent the request, as far as limits tell callers apart."""
    return caller_at(request.remote_addr or "")


def refusal(message: str, status: int) -> tuple[Response, int]:
    """What went wrong, for the page to say."""
    return jsonify(error=message), status


def partial_content(data: bytes, kind: str) -> Response:
    """A sound or video; Safari plays only what it can ask for in parts."""
    answer = Response(data, content_type=kind)
    answer.make_conditional(request, accept_ranges=True, complete_length=len(data))
    return answer


def json_values(**types: type) -> dict[str, Any]:
    """The fields of a JSON request, each of its type; a text that is missing is empty."""
    values = request.get_json()
    if not isinstance(values, dict):
        abort(400)
    found = {name: values.get(name, "" if kind is str else None) for name, kind in types.items()}
    if any(type(found[name]) is not kind for name, kind in types.items()):
        abort(400)
    # JSON may hold halves of letters, which no database or hash takes.
    if any(isinstance(value, str) and _SURROGATES.search(value) for value in found.values()):
        abort(400)
    return found


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
    """Serves until Ctrl-C with waitress, a WSGI server in pure Python.

    Args:
      app: of `create_app`.
      access: names the proxy that is believed.
      host, port: to listen on.
      note: printed after the address.
      threads: that answer requests.
      connections: at once; more wait to be let in.
      max_bytes: of a request's body; longer ones are cut off while they come in.
      ready: called with the page's address once it can be opened.
    """
    logging.getLogger("waitress").setLevel(logging.ERROR)
    sockets: dict[int, Any] = {}  # of the server: one for each address of the host, and a trigger
    proxy: dict[str, Any] = {}
    if access.proxy:
        proxy = {"trusted_proxy": access.proxy, "trusted_proxy_headers": "x-forwarded-for"}
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
    channel = partial(_Channel, app.extensions.get(_DOOR), access.proxy)
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


class _UnknownError(Error):  # waitress knows none for it
    code, reason = UNKNOWN, "Give the password"


class _TooOftenError(Error):
    code, reason = TOO_OFTEN, "Too many tries"


class _Refusal(ErrorTask):
    """What waitress refuses before the application sees it, in the words that the page expects."""

    def execute(self) -> None:
        error = self.request.error
        message = f"{error.reason}."
        if error.code == HTTP_TOO_LARGE:
            most = self.channel.server.adj.max_request_body_size / 2**20
            message = f"The request is larger than {most:.3g} MB. Send a smaller one."
        body = json.dumps({"error": message}).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.extend([("Content-Type", "application/json"), *HEADERS.items()])
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):
    error_task_class = _Refusal

    def __init__(self, door: Door | None, proxy: str, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self._door, self._proxy = door, proxy
        self.parser_class = partial(_Parser, self)

    def refusal(self, headers: Mapping[str, str]) -> int:
        """Whether who sent these may send a long request; see `Door.refusal`."""
        if self._door is None:
            return 0
        who = self.addr[0]
        if self._proxy and who == self._proxy:
            who = headers.get("X_FORWARDED_FOR", who).rpartition(",")[2].strip()
        return self._door.refusal(caller_at(who), _password(headers.get("AUTHORIZATION")))


class _Parser(HTTPRequestParser):
    """Of one request: a long one is refused by its headers, before any of it is kept on disk."""

    def __init__(self, channel: _Channel, *arguments: Any):
        super().__init__(*arguments)
        self._channel = channel

    completed: bool

    def received(self, data: bytes) -> int:
        begun = self.headers_finished
        taken: int = super().received(data)
        long = self.chunked or self.content_length > _SHORT_BYTES
        if not begun and self.headers_finished and not self.completed and long:
            status = self._channel.refusal(self.headers)
            if status:
                kind = _UnknownError if status == UNKNOWN else _TooOftenError
                self.error, self.completed = kind(""), True
        return taken


def _password(header: str | None) -> str:
    """Of an Authorization header."""
    given = Authorization.from_header(header)
    return (given.password if given is not None and given.type == "basic" else None) or ""


def _fixed(data: bytes, kind: str) -> Callable[[], Response]:
    return lambda: Response(data, content_type=kind)


def _refuse_strangers(hosts: tuple[str, ...] | None) -> tuple[Response, int] | None:
    """Only this page's own scripts may post, and only under its own names may it be called."""
    # Flask's TRUSTED_HOSTS would do, but knows no IPv6 addresses.
    host = request.headers.get("Host", "")
    if hosts and _host_name(host) not in hosts:
        return refusal("Call this page as localhost.", 400)
    # Browsers say where a request comes from by Sec-Fetch-Site, but over HTTP to this computer alone
    # and over HTTPS; else by Origin, from which a proxy may make Host differ.
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    foreign = origin is not None and origin.partition("//")[2] != host
    foreign = foreign and (site is None or hosts is not None)
    if request.method == "POST" and (site not in (None, "same-origin", "none") or foreign):
        return refusal("Requests from other sites are refused.", 403)
    return None


def _refuse_other_letters() -> tuple[Response, int] | None:
    """Browsers escape what isn't ASCII in an address (RFC 3986); Flask falls over what isn't UTF-8."""
    if request.query_string.isascii():
        return None
    return refusal("The address has letters that are not escaped.", 400)


def _refuse_haste(allowance: Allowance) -> tuple[Response, int] | None:
    return None if allowance.spend(caller()) else _too_often("Too many requests.")


def _refuse_unknown(door: Door, realm: str) -> tuple[Response, int] | None:
    status = door.refusal(caller(), _password(request.headers.get("Authorization")))
    if not status:
        return None
    if status == TOO_OFTEN:
        return _too_often("Too many tries.")
    answer, status = refusal("Give the password; load the page again.", 401)
    answer.headers["WWW-Authenticate"] = f'Basic realm="{realm}", charset="UTF-8"'
    return answer, status


def _too_often(what: str) -> tuple[Response, int]:
    answer, status = refusal(f"{what} Wait a minute, then try again.", 429)
    answer.headers["Retry-After"] = "60"
    return answer, status


def _host_name(host: str) -> str | None:
    """The name without the port: "[::1]:80" -> "::1"."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _add_headers(headers: Mapping[str, str], response: Response) -> Response:
    response.headers.update(headers)
    return response


def _explain(error: HTTPException) -> tuple[Response, int]:
    return refusal(error.description or error.name, error.code or 500)
