"""Serves the rating page."""

from cmgen.rate.app import MAX_REQUEST_BYTES, create_app
from cmgen.rate.store import Store
from cmgen.rate.study import Study
from cmgen.utils.web import server
from cmgen.utils.web.access import Access

THREADS = 8
MAX_CONNECTIONS = 200


def serve(
    study: Study, store: Store, access: Access, host: str, port: int, per_rater: int = 0
) -> None:
    """Serves until Ctrl-C.

    Args:
      study: what is rated.
      store: where votes go.
      access: who may take part.
      host, port: to listen on.
      per_rater: pictures for each rater, 0 for all.
    """
    server.serve(
        create_app(study, store, access, per_rater),
        access,
        host,
        port,
        "stop with Ctrl-C; votes are kept at once",
        THREADS,
        MAX_CONNECTIONS,
        MAX_REQUEST_BYTES,
    )
