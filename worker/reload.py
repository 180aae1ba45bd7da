"""`hookbus-worker run --reload`: drains and starts again when a Python file beside the loaded ones changes.

The process replaces itself by a fresh one of the same pid, so that nothing of the old code stays. What keeps it from
starting, such as a syntax error, is printed, and the next change tries again.
"""

import asyncio
import contextlib
import importlib.util
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final, NoReturn

from ..shared import log
from ..shared.command import EXIT_FAILED
from ..shared.command_line import print_error
from ..shared.settings import EXIT_CONFIG, ConfigError
from ..shared.traced import OURS
from .quarantine.launch import Launch

TICK_MS: Final = 500
"""Between two looks whether to go on watching."""
FOLDERS: Final = "_HOOKBUS_RELOAD_FOLDERS"
"""Environment variable with the folders of the start before: one that was removed since may come back."""


class Reloader:
    """Watches the folders of one start. Raises ConfigError without watchfiles."""

    def __init__(self, launch: Launch) -> None:
        try:
            self._watchfiles: Any = importlib.import_module("watchfiles")
        except ImportError:
            raise ConfigError(["--reload: watchfiles is missing: pip install 'hookbus[reload]'"]) from None
        logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it would tell each change once more
        self._launch = launch
        self._began_s = time.time()
        self._before = _folders_before(launch)
        self._there_before = _existing(self._before)
        self.has_changed = False

    def watch(self, stopping: asyncio.Event) -> None:
        """Set `stopping` at the first change."""
        loop = asyncio.get_running_loop()

        def run() -> None:
            self.wait()
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(stopping.set)

        threading.Thread(target=run, name="reload", daemon=True).start()

    def wait(self) -> None:
        """Wait for the first change: of a file, or a folder that goes or comes back."""
        loaded = _folders(self._launch)
        known, folders = loaded | self._there_before, loaded | self._before
        files: set[str] = set()
        while not files:
            there = _existing(folders)
            files = {str(folder) for folder in there ^ known} or self._changes(there, folders)
        log.get("worker").info("reloading", files=sorted(files)[:10])
        self.has_changed = True

    def _changes(self, watched: set[Path], folders: set[Path]) -> set[str]:
        """The files that change first; none as soon as other folders exist than those that are watched."""
        ticks = self._watchfiles.watch(
            *watched,
            watch_filter=self._watchfiles.PythonFilter(),
            recursive=False,
            rust_timeout=TICK_MS,
            yield_on_timeout=True,
        )
        has_begun = False
        with contextlib.suppress(FileNotFoundError):  # a folder was removed before it was watched
            for changes in ticks:
                files = {file for _, file in changes} or (set() if has_begun else _newer(watched, self._began_s))
                if files or _existing(folders) != watched:
                    return files
                has_begun = True
        return set()

    def wait_after(self, error: BaseException) -> None:
        """Print what kept the worker from running, and wait for the first change."""
        problems = error.problems if isinstance(error, ConfigError) else [str(error)]
        for problem in problems if not isinstance(error, SystemExit) else []:  # a crash is in the log
            print_error("hookbus-worker", problem, EXIT_CONFIG if isinstance(error, ConfigError) else EXIT_FAILED)
        print_error("hookbus-worker", "waiting for a change of a Python file; Ctrl-C ends", EXIT_FAILED)
        self.wait()

    def start_again(self) -> NoReturn:
        """Replace this process."""
        log.flush()
        os.chdir(self._launch.folder)
        folders = _folders(self._launch) | self._before
        environment = {**self._launch.environment, FOLDERS: os.pathsep.join(map(str, folders))}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606


def _folders(launch: Launch) -> set[Path]:
    """The folders of the loaded modules and of the targets, below the working directory and outside libraries."""
    here = Path(launch.folder).resolve()
    files = [vars(module).get("__file__") for module in list(sys.modules.values()) if hasattr(module, "__dict__")]
    files += [_file_of(target) for target in launch.targets]
    folders = {here, *(Path(file).resolve().parent for file in files if isinstance(file, str))}
    return {folder for folder in folders if folder.is_relative_to(here) and not _is_library(folder)}


def _folders_before(launch: Launch) -> set[Path]:
    """Those of the starts before this one: what can't be imported is not loaded."""
    return set(map(Path, filter(None, launch.environment.get(FOLDERS, "").split(os.pathsep))))


def _file_of(target: str) -> str | None:
    """The file of the package of a target that could not be imported."""
    with contextlib.suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(target.partition(":")[0].partition(".")[0])
        return spec.origin if spec is not None else None
    return None


def _existing(folders: set[Path]) -> set[Path]:
    return {folder for folder in folders if folder.is_dir()}


def _is_library(folder: Path) -> bool:
    environment = Path(sys.prefix)
    return "site-packages" in folder.parts or folder.is_relative_to(environment) or folder.is_relative_to(OURS)


def _newer(folders: set[Path], began_s: float) -> set[str]:
    """Python files that changed after the start and before they were watched."""
    found = set()
    for folder in folders:
        for file in folder.glob("*.py"):
            with contextlib.suppress(OSError):
                if began_s < file.stat().st_mtime <= time.time():
                    found.add(str(file))
    return found
