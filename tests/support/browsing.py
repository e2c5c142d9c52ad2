"""What tests of our web pages share: the program that serves a page, and somebody who opens it."""

import signal
from typing import Any

# A page that shares its machine with trainings; one that works answers within a second.
PATIENCE_MS = 120_000


def heed_ctrl_c() -> None:
    """For Popen's preexec_fn: behind a shell's &, all that is started ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Guest:
    """A page in a browser of its own; what it asks for and complains of is remembered.

    Args:
      chromium: the fixture.
      url: of the page.
      expected: part of the browser's own message on answers that are meant to refuse something.
      options: of the browser's context.
    """

    def __init__(self, chromium: Any, url: str, expected: str, **options: Any):
        self.expected = expected
        self.context = chromium.new_context(**options)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.addresses: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("request", lambda request: self.addresses.append(request.url))
        self.page.goto(url)

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning") and self.expected not in message.text:
            self.complaints.append(message.text)
