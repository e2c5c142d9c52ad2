"""Serves the rating page."""

from cmgen import web
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
    web.serve(
        create_app(study, store, access, per_rater),
        host,
        port,
        "stop with Ctrl-C; votes are kept at once",
        THREADS,
        MAX_CONNECTIONS,
        MAX_REQUEST_BYTES,
    )
