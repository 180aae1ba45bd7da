"""Finds the apps that the command line names: `module:app`, or `module` for one that holds a single app."""

import importlib
import sys
import traceback
from collections.abc import Sequence

from hookbus import HOME, PACKAGES, shadows
from shared.command import FailedError
from shared.settings import ConfigError
from worker.app import App


def load_apps(targets: Sequence[str]) -> list[App]:
    """Import the apps; the working directory comes first on the path, as with `python -m`.

    Raises ConfigError that says what is wrong with which target, and FailedError for what a module raised that may be
    gone when it is tried again, as where it looks for its database.
    """
    if "" not in sys.path and "." not in sys.path:
        sys.path.insert(0, "")
    problems = shadows()
    if problems:
        raise ConfigError(problems)
    return [_load(target) for target in targets]


def _load(target: str) -> App:
    module_name, colon, attribute = target.partition(":")
    if not module_name or (colon and not attribute):
        raise ConfigError([f"{target!r}: expected module:app"])
    try:
        module = importlib.import_module(module_name)
    except ConfigError:
        raise
    except ModuleNotFoundError as error:
        raise ConfigError([f"{target}: {_missing(error)}"]) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a user's module does at import
        problem = f"{target}: importing it failed: {_told(error)}"
        if isinstance(error, (ImportError, SyntaxError)):
            raise ConfigError([problem]) from None
        raise FailedError(problem) from None
    if attribute:
        found = getattr(module, attribute, None)
        if not isinstance(found, App):
            raise ConfigError([f"{target}: {module_name} has no App named {attribute!r}{_others(module)}"])
        return found
    apps = [value for value in vars(module).values() if isinstance(value, App)]
    if len(set(apps)) != 1:
        raise ConfigError([f"{target}: {len(set(apps))} apps there; name one as {module_name}:app{_others(module)}"])
    return apps[0]


def _told(error: BaseException) -> str:
    """Class, text and innermost line of an error, in one line."""
    trace = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in trace if "importlib" not in frame.filename and frame.filename != __file__]
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"


def _missing(error: ModuleNotFoundError) -> str:
    name = error.name or ""
    package = name.partition(".")[0]
    if package in PACKAGES:
        return (
            f"no module {name!r}: hookbus's own package {package!r} is imported from {HOME / package}, which hides"
            f" one of that name of yours: rename yours, or move it into a package"
        )
    return f"no module named {name!r}"


def _others(module: object) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, App)]
    return f" (there: {', '.join(names)})" if names else ""
