"""Errors that are addressed to the user."""

import errno

BAD_INPUT = 2
FAILED_WORK = 1


class UserError(Exception):
    """Names the file or flag, the value and the remedy; mains print the message without a traceback.

    Args:
      message: what is wrong, with which file or flag, and how to fix it.
      exit_code: 2 for bad flags or bad input, 1 for work that failed.
    """

    def __init__(self, message: str, exit_code: int = BAD_INPUT):
        super().__init__(message)
        self.exit_code = exit_code


def disk_is_full(error: Exception) -> bool:
    """Whether an error says so; those of TensorFlow's and FFmpeg's writers by their text alone."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or "No space left on device" in str(error)
