"""Errors that are meant for the person at the keyboard."""

BAD_INPUT = 2
FAILED_WORK = 1


class UserError(Exception):
    """A message that names the file or flag, the value and the mend; mains print it, no traceback.

    Args:
      message: what is wrong, with which file or flag, and how to mend it.
      exit_code: 2 for bad flags and bad input, 1 for work that failed on the way.
    """

    def __init__(self, message: str, exit_code: int = BAD_INPUT):
        super().__init__(message)
        self.exit_code = exit_code
