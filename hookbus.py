"""The door of both programs: `hookbus-ingest` and `hookbus-worker`.

hookbus installs three packages with everyday names (`ingest`, `worker`, `shared`). Another package of such a name,
found first on `sys.path`, would be imported in its place and fail far from the cause. So the console scripts start
here, in a module whose name nobody else uses, and look before they import.
"""

import importlib
import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path

HOME = Path(__file__).resolve().parent
PACKAGES = ("ingest", "worker", "shared")
EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130


def shadows(folders: list[str] | None = None) -> list[str]:
    """One line for each other package or module that takes, or would take, the name of one of ours.

    Looks in `folders`, by default those of `sys.path`. A plain folder without `__init__.py` shadows nothing.
    """
    found = []
    for name in PACKAGES:
        for folder in folders or sys.path:
            spec = PathFinder.find_spec(name, [folder or "."])
            if spec is None or spec.origin is None:
                continue
            if Path(spec.origin).resolve() == HOME / name / "__init__.py":
                break
            found.append(
                f"the package {name!r} at {spec.origin} has the name of one of hookbus's own and is found instead"
                f" of it: rename it, move it into a package, or take its folder off PYTHONPATH"
            )
            break
    return found


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


def _start(program: str) -> None:
    _open_missing_streams()
    _keep_own_metrics()
    for problem in (problems := shadows()):
        print(f"hookbus-{program}: {problem}", file=sys.stderr)
    if problems:
        sys.exit(EXIT_CONFIG)
    try:
        importlib.import_module(f"{program}.__main__").main()
    except KeyboardInterrupt:  # while it was still importing; later the programs see to it themselves
        sys.exit(EXIT_INTERRUPTED)


def ingest() -> None:
    """Console script `hookbus-ingest`."""
    _start("ingest")


def worker() -> None:
    """Console script `hookbus-worker`."""
    _start("worker")
