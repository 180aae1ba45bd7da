"""Where both console scripts start: `hookbus-ingest` and `hookbus-worker`.

It prepares the process before anything of ours or of a library is imported.
"""

import importlib
import os
import sys
from pathlib import Path

EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130


def _open_missing_streams() -> None:
    """Have all three standard streams: where one was closed, the next socket would be taken for it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - as long as the process


def _keep_own_metrics() -> None:
    """Have prometheus_client count in memory, whatever another program of the same environment wants.

    Where these variables name a folder, it keeps each figure in a file there as it is imported: ours would be mixed
    with another program's, or fail where the folder is missing, and some would be missing from `/metrics`.
    """
    for variable in ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"):
        os.environ.pop(variable, None)


def _require_links(program: str) -> None:
    """Exit where a checkout has text files in place of the symbolic links `ingest`, `worker` and `shared`."""
    package = Path(__file__).parent
    if not (package / program).is_dir():
        remedy = "git config core.symlinks true && git checkout -- hookbus"
        problem = f"{package / program} is no folder: this checkout has no symbolic links ({remedy})"
        print(f"hookbus-{program}: {problem}", file=sys.stderr)
        sys.exit(EXIT_CONFIG)


def _start(program: str) -> None:
    _open_missing_streams()
    _keep_own_metrics()
    _require_links(program)
    try:
        importlib.import_module(f"hookbus.{program}.__main__").main()
    except KeyboardInterrupt:  # while it was still importing; later the programs see to it themselves
        sys.exit(EXIT_INTERRUPTED)


def ingest() -> None:
    """Console script `hookbus-ingest`."""
    _start("ingest")


def worker() -> None:
    """Console script `hookbus-worker`."""
    _start("worker")
