"""Shared parts of the web pages: fixed files from memory, access, headers, errors.

A page is a few fixed answers and an API; no path of a request reaches the file system.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, abort, jsonify, request
from werkzeug.datastructures import Authorization
from werkzeug.exceptions import HTTPException

from cmgen.utils.web.access import TOO_OFTEN, UNKNOWN, Access, PasswordGuard, RateLimiter, caller_at

GUARD = "cmgen_password_guard"  # the key of the password guard in `Flask.extensions`
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
    # Nothing stays behind in the browser of a shared computer.
    "Cache-Control": "no-store",
}
_SURROGATES = re.compile(r"[\ud800-\udfff]")
WAIT, RETRY_AFTER = "Wait a minute, then try again.", "60"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def create_page(
    package: str,
    page: Mapping[str, str],
    access: Access,
    max_bytes: int,
    headers: Mapping[str, str] = HEADERS,
) -> Flask:
    """Makes an application that serves a page's fixed files, to which the caller adds an API.

    Args:
      package: holds the files, in its folder `page`.
      page: address -> file name; each is read once.
      access: who may call the page; the password is left to `ask_password`.
      max_bytes: allowed in the body of a request.
      headers: sent with every answer.
    """
    app = Flask(package, static_folder=None, template_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=max_bytes)
    folder = resources.files(package) / "page"
    for path, name in page.items():
        kind = _KINDS[name[name.rindex(".") :]]
        app.add_url_rule(path, name, _fixed((folder / name).read_bytes(), kind))
    app.before_request(partial(_refuse_strangers, access.hosts))
    app.before_request(partial(_refuse_haste, RateLimiter(access.requests_per_minute)))
    app.before_request(_refuse_unescaped_query)
    app.after_request(partial(_add_headers, headers))
    app.register_error_handler(HTTPException, _explain)
    return app


def ask_password(app: Flask, access: Access, realm: str) -> None:
    """Requires the password, if there is one, by HTTP Basic authentication (RFC 7617).

    Any user name will do. `server.serve` accepts no long request without the password.
    """
    if access.password:
        challenge = f'Basic realm="{realm}", charset="UTF-8"'
        guard = PasswordGuard(access)
        app.extensions[GUARD] = guard, challenge
        app.before_request(partial(_refuse_unknown, guard, challenge))


def caller() -> str:
    """Returns what the caller of the current request is counted by; see `caller_at`."""
    return caller_at(request.remote_addr or "")


class CallerGone(Exception):
    """Nobody waits for the answer any more."""


def check_caller() -> None:
    """Raises CallerGone if the caller of the current request has closed the connection."""
    gone = request.environ.get("waitress.client_disconnected")
    if gone is not None and gone():
        raise CallerGone


def refusal(message: str, status: int) -> tuple[Response, int]:
    """Returns an error message for the page to show."""
    return jsonify(error=message), status


def partial_content(data: bytes, kind: str) -> Response:
    """Returns a sound or video, in parts if asked: Safari plays only what can be had in parts."""
    answer = Response(data, content_type=kind)
    answer.make_conditional(request, accept_ranges=True, complete_length=len(data))
    return answer


def json_values(**types: type) -> dict[str, Any]:
    """Returns the fields of a JSON request, each of its type; a missing text is empty."""
    try:
        values = request.get_json()
    except RecursionError:  # of a document nested some thousand levels deep
        abort(400)
    if not isinstance(values, dict):
        abort(400)
    fields = {name: values.get(name, "" if kind is str else None) for name, kind in types.items()}
    if any(type(fields[name]) is not kind for name, kind in types.items()):
        abort(400)
    # JSON may hold unpaired surrogates, which no database or hash accepts.
    if any(isinstance(value, str) and _SURROGATES.search(value) for value in fields.values()):
        abort(400)
    return fields


def password_in(header: str | None) -> str:
    """Returns the password in an Authorization header; empty if there is none."""
    given = Authorization.from_header(header)
    return (given.password if given is not None and given.type == "basic" else None) or ""


def _fixed(data: bytes, kind: str) -> Callable[[], Response]:
    return lambda: Response(data, content_type=kind)


def _refuse_strangers(hosts: tuple[str, ...] | None) -> tuple[Response, int] | None:
    """Refuses posts from other sites, and host names that aren't the page's own."""
    # Flask's TRUSTED_HOSTS would do, but knows no IPv6 addresses.
    host = request.headers.get("Host", "")
    if hosts and _host_name(host) not in hosts:
        return refusal("Call this page as localhost.", 400)
    # Browsers name the source of a request in Sec-Fetch-Site only over HTTPS or to this computer;
    # otherwise in Origin, from which Host may differ behind a proxy.
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    foreign = origin is not None and origin.partition("//")[2] != host
    foreign = foreign and (site is None or hosts is not None)
    if request.method == "POST" and (site not in (None, "same-origin", "none") or foreign):
        return refusal("Requests from other sites are refused.", 403)
    return None


def _refuse_unescaped_query() -> tuple[Response, int] | None:
    """Refuses a query that isn't ASCII: browsers escape it (RFC 3986), Flask fails on broken UTF-8."""
    if request.query_string.isascii():
        return None
    return refusal("The address has characters that are not escaped.", 400)


def _refuse_haste(limiter: RateLimiter) -> tuple[Response, int] | None:
    return None if limiter.spend(caller()) else _too_often("Too many requests.")


def _refuse_unknown(guard: PasswordGuard, challenge: str) -> tuple[Response, int] | None:
    status = guard.refusal(caller(), password_in(request.headers.get("Authorization")))
    if not status:
        return None
    if status == TOO_OFTEN:
        return _too_often("Too many tries.")
    answer, status = refusal("Give the password; load the page again.", UNKNOWN)
    answer.headers["WWW-Authenticate"] = challenge
    return answer, status


def _too_often(what: str) -> tuple[Response, int]:
    answer, status = refusal(f"{what} {WAIT}", TOO_OFTEN)
    answer.headers["Retry-After"] = RETRY_AFTER
    return answer, status


def _host_name(host: str) -> str | None:
    """Strips the port: "[::1]:80" -> "::1"."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _add_headers(headers: Mapping[str, str], response: Response) -> Response:
    response.headers.update(headers)
    return response


def _explain(error: HTTPException) -> tuple[Response, int]:
    return refusal(error.description or error.name, error.code or 500)
