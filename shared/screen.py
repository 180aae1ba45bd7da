"""The console that tables are printed on."""

import errno
import os

from rich.console import Console


class Screen(Console):
    """A console that raises when the reader of its output is gone; rich would end the process."""

    def on_broken_pipe(self) -> None:
        """Called by rich. Raises BrokenPipeError."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
