"""Serves the rating page with waitress, a WSGI server in pure Python."""

import logging

import waitress

from cmgen.errors import FAILED_WORK, UserError
from cmgen.rating.app import MAX_REQUEST_BYTES, Access, create_app
from cmgen.rating.store import Store
from cmgen.rating.study import Study

THREADS = 8
MAX_CONNECTIONS = 200


def serve(
    study: Study, store: Store, host: str, port: int, password: str = "", per_rater: int = 0
) -> None:
    """Serves until Ctrl-C.

    Args:
      study: what is rated.
      store: where votes go.
      host: address to listen on.
      port: to listen on.
      password: that raters must give; "" for none, on loopback only.
      per_rater: pictures for each rater, 0 for all.
    """
    access = Access(password, None) if password else Access()
    app = create_app(study, store, access, per_rater)
    logging.getLogger("waitress").setLevel(logging.ERROR)
    try:
        server = waitress.create_server(
            app,
            host=host,
            port=port,
            threads=THREADS,
            connection_limit=MAX_CONNECTIONS,
            max_request_body_size=MAX_REQUEST_BYTES,
            max_request_header_size=16384,
            channel_timeout=30,
            ident=None,
        )
    except OSError as error:
        raise UserError(
            f"--host={host} --port={port}: can't listen there ({error.strerror}); name another",
            FAILED_WORK,
        ) from error
    shown = f"[{host}]" if ":" in host else host
    print(f"http://{shown}:{port}/ (stop with Ctrl-C; votes are kept at once)", flush=True)
    try:
        server.run()
    finally:
        server.close()
