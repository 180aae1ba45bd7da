"""The event loops that tests run on."""

import warnings

import uvloop


class StrictLoop(uvloop.Loop):
    """uvloop whose `close` raises RuntimeError when a test left a transport open.

    uvloop warns of such a transport and closes it. With warnings as errors it stays open, and `close` would wait for it
    for ever, beyond the time limit of the test.
    """

    def close(self) -> None:
        """Close the loop and all open transports."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            super().close()
        if caught:
            raise RuntimeError(f"left open: {', '.join(str(warning.message) for warning in caught)}")
