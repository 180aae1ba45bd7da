"""The entry points of both programs: of the console scripts, and of `python -m`.

They prepare the process before any other module of hookbus or of a library is imported.
"""

import os
import sys
from pathlib import Path

EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130


def _open_missing_streams() -> None:
    """Open the standard streams that are closed: else the next socket takes its number and its output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - open to the end


def _keep_own_metrics() -> None:
    """Make prometheus_client count in memory, whatever another program of the same environment needs.

    If one of these variables names a folder when prometheus_client is imported, it keeps each metric in a file there:
    ours would mix with those of another program, some would be missing from `/metrics`, and a missing folder raises.
    """
    for variable in ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"):
        os.environ.pop(variable, None)


def _require_links(program: str) -> None:
    """Exit if the checkout has text files in place of the symbolic links `ingest`, `worker` and `shared`."""
    package = Path(__file__).parent
    if not (package / program).is_dir():
        remedy = "git config core.symlinks true && git checkout -- hookbus"
        problem = f"{package / program} is not a folder: this checkout has no symbolic links ({remedy})"
        print(f"hookbus-{program}: {problem}", file=sys.stderr)
        sys.exit(EXIT_CONFIG)


def _start(program: str) -> None:
    _open_missing_streams()
    _keep_own_metrics()
    _require_links(program)
    from .shared.importing import imported

    try:
        imported(f"hookbus.{program}.__main__").main()
    except KeyboardInterrupt:  # during the import; later the programs handle it themselves
        sys.exit(EXIT_INTERRUPTED)


def ingest() -> None:
    """`hookbus-ingest` and `python -m hookbus.ingest`."""
    _start("ingest")


def quarantine() -> None:
    """A quarantine process: a child of a worker."""
    _open_missing_streams()
    _keep_own_metrics()
    from .shared.importing import imported

    imported("hookbus.worker.quarantine_process").main(sys.argv[2:])


def worker() -> None:
    """`hookbus-worker` and `python -m hookbus.worker`."""
    _start("worker")
