"""Finds the apps that the command line names: `module:app`, or `module` for one that holds a single app.

The user's folder comes first on the path, as with `python -m`, and may hold files with any name: `http.py`, `queue.py`.
So everything that this process will import by itself is imported before.
"""

import importlib
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Final

from ..shared.command import FailedError
from ..shared.settings import ConfigError
from ..shared.traced import OURS, attribute, name_of, text_of, trace_of
from .api.app import App

LATER: Final = (
    "hookbus.worker.supervise",
    "hookbus.worker.check",
    "uvloop",
    "encodings.idna",
    "idna",
    "resource",
    "ssl",
)
"""What is otherwise imported after the apps, by us, or by libraries and codecs at their first use."""
TEXT_CHARS: Final = 2_000


def load_apps(targets: Sequence[str]) -> list[App]:
    """Import the apps; the working directory comes first on the path, as with `python -m`.

    Raises ConfigError that says what is wrong with which target, and FailedError for what a module raised that may be
    gone when it is tried again, as where it looks for its database.
    """
    for name in LATER:
        importlib.import_module(name)
    if "" not in sys.path and "." not in sys.path:
        sys.path.insert(0, "")
    if problems := [problem for target in targets if (problem := _problem_of(target))]:
        raise ConfigError(problems)
    return [_load(target) for target in targets]


def _problem_of(target: str) -> str:
    """What is wrong with the form of a target, and what to write instead; "" for nothing."""
    module_name, colon, name = target.partition(":")
    example = name or "app"
    if module_name.endswith(".py") or "/" in module_name:
        dotted = module_name.removesuffix(".py").strip("./").replace("/", ".")
        return f"{target!r}: expected a module, not a file: {dotted}:{example}"
    if module_name.startswith("."):
        return f"{target!r}: expected the whole name of a module: mypackage{module_name}:{example}"
    is_name = all(module_name.split(".")) and (name.isidentifier() or not colon)
    return "" if is_name else f"{target!r}: expected module:app"


def _load(target: str) -> App:
    module_name, _, name = target.partition(":")
    module = _imported(target, module_name)
    if name:
        found = getattr(module, name, None)
        if not issubclass(type(found), App):
            raise ConfigError([f"{target}: {_no_app(module, module_name, name)}{_others(module)}"])
        return found  # type: ignore[return-value]
    apps = list(_apps(module).values())
    if len(set(apps)) != 1:
        raise ConfigError([f"{target}: {len(set(apps))} apps there; name one as {module_name}:app{_others(module)}"])
    return apps[0]


def _imported(target: str, module_name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except (ConfigError, KeyboardInterrupt):
        raise
    except ModuleNotFoundError as error:
        raise ConfigError([f"{target}: {_missing(error, module_name)}"]) from None
    except BaseException as error:  # noqa: BLE001 - whatever a user's module does at import
        trace = _of_the_user(attribute(error, "__traceback__"))
        text = " ".join(text_of(error, TEXT_CHARS).split())
        problem = f"{target}: importing it failed: {name_of(type(error))}: {text}{_place(trace)}"
        if issubclass(type(error), (ImportError, SyntaxError)) or _is_no_name_of_ours(error):
            raise ConfigError([problem]) from None
        BaseException.with_traceback(error, trace)
        raise FailedError(f"{problem}\n{trace_of(error).rstrip()}") from None


def _is_no_name_of_ours(error: BaseException) -> bool:
    """Whether the user asked for a name that hookbus has not, as `app.onn` or `worker.Ap`."""
    if not issubclass(type(error), AttributeError):
        return False
    owner = vars(AttributeError)["obj"].__get__(error)  # whatever a class of the user's has of that name
    home = vars(owner).get("__name__") if type(owner) is ModuleType else type(owner).__module__
    return str(home).partition(".")[0] == "hookbus"


def _of_the_user(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the user's module on."""
    while trace is not None and _is_machinery(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _is_machinery(file: str) -> bool:
    return file == __file__ or "importlib" in file


def _place(trace: TracebackType | None) -> str:
    """The innermost line that the user or a library wrote."""
    frames = [
        frame
        for frame in traceback.extract_tb(trace)
        if not _is_machinery(frame.filename) and OURS not in Path(frame.filename).parents
    ]
    return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""


def _no_app(module: ModuleType, module_name: str, name: str) -> str:
    if name not in vars(module):
        return f"{module_name} has no App named {name!r}"
    found = type(vars(module)[name])
    hint = "; give what it makes a name in the module, and name that" if found is type(_no_app) else ""
    return f"{name!r} in {module_name} is no App but of class {name_of(found)}{hint}"


def _apps(module: ModuleType) -> dict[str, App]:
    """By name. Not isinstance, which asks objects for their class: proxies answer with errors."""
    return {name: value for name, value in vars(module).items() if issubclass(type(value), App)}


def _missing(error: ModuleNotFoundError, module_name: str) -> str:
    name = error.name or ""
    is_target = f"{module_name}.".startswith(f"{name}.")
    return f"no module named {name!r}{'' if is_target else _place(_of_the_user(error.__traceback__))}"


def _others(module: ModuleType) -> str:
    names = list(_apps(module))
    return f" (there: {', '.join(names)})" if names else ""
