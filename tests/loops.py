"""The event loops that tests run on."""

import warnings

import uvloop


class StrictLoop(uvloop.Loop):
    """uvloop, whose `close` raises RuntimeError when a test left a transport open.

    uvloop warns of such a transport and closes it. A warning that is an error keeps it open instead, and `close` would
    wait for it without end, beyond the reach of a test's time limit.
    """

    def close(self) -> None:
        """Close the loop and all that is open."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            super().close()
        if caught:
            raise RuntimeError(f"left open: {', '.join(str(warning.message) for warning in caught)}")
