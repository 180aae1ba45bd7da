"""Loads the apps named on the command line: `module:app`, `module:factory()` for the App that a function returns, or
`module` for a module with a single app.

The user's folder comes first on the path, as with `python -m`, and may contain files of any name, such as `http.py` or
`queue.py`. So everything that this process imports later is imported before the apps.
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from inspect import Parameter
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final, TypeVar

from ..shared.command import FailedError
from ..shared.settings import ConfigError
from ..shared.traced import OURS, attribute, name_of, repr_of, text_of, trace_of
from .api.app import App
from .api.callee import place_of
from .api.parameters import call_signature
from .pipeline.cause import add_application, describe, innermost_file, is_unset_variable

T = TypeVar("T")

LATER: Final = (
    "hookbus.worker.supervise",
    "hookbus.worker.check",
    "uvloop",
    "encodings.idna",
    "idna",
    "resource",
    "ssl",
)
"""Modules otherwise imported after the apps: by hookbus, or by libraries and codecs at their first use."""
TEXT_CHARS: Final = 2_000
CALL: Final = "()"
"""Ends a target that is a factory."""
_BARE: Final = "write a function without any that calls it"


def load_apps(targets: Sequence[str]) -> list[App]:
    """Import the apps; the working directory comes first on the path, as with `python -m`.

    Raises ConfigError with the problem of each target, and FailedError if a module raised an error that may be
    transient, such as an unreachable database.
    """
    for name in LATER:
        importlib.import_module(name)
    if "" not in sys.path and "." not in sys.path:
        sys.path.insert(0, "")
    if problems := [problem for target in targets if (problem := _problem_of(target))]:
        raise ConfigError(problems)
    return [_load(target) for target in dict.fromkeys(targets)]


def _problem_of(target: str) -> str:
    """The problem in the form of a target, with the correct form; "" if it is valid."""
    module_name, colon, name = target.partition(":")
    example = name or "app"
    if module_name.endswith(".py") or "/" in module_name:
        dotted = module_name.removesuffix(".py").strip("./").replace("/", ".")
        return f"{target!r}: expected a module, not a file: {dotted}:{example}"
    if module_name.startswith("."):
        return f"{target!r}: expected the full name of a module: mypackage{module_name}:{example}"
    factory, bracket, arguments = name.partition("(")
    if bracket and arguments not in (")", ""):
        return f"{target!r}: a factory gets no arguments: {_BARE}, as {module_name}:{factory}()"
    is_name = all(module_name.split(".")) and (name.removesuffix(CALL).isidentifier() or not colon)
    return "" if is_name else f"{target!r}: expected module:app"


def _load(target: str) -> App:
    module_name, _, name = target.partition(":")
    module = _imported(target, module_name)
    if name.endswith(CALL):
        return _made(target, module, name.removesuffix(CALL))
    if name:
        app = getattr(module, name, None)
        if not issubclass(type(app), App):
            raise ConfigError([f"{target}: {_no_app(module, module_name, name)}{_others(module)}"])
        return app  # type: ignore[return-value]
    apps = list(_apps(module).values())
    if len(set(apps)) != 1:
        count = len(set(apps))
        factories = [] if count else _factories(module)
        ways = f"{module_name}:{factories[0]}() for the App that it returns" if factories else f"{module_name}:app"
        raise ConfigError([f"{target}: the module has {count} apps; name one as {ways}{_others(module)}"])
    return apps[0]


def _made(target: str, module: ModuleType, name: str) -> App:
    """The App that a factory returns."""
    factory = getattr(module, name, None)
    if issubclass(type(factory), App):
        raise ConfigError([f"{target}: {name!r} is an App, not a function: write {module.__name__}:{name}"])
    if not callable(factory):
        raise ConfigError([f"{target}: {module.__name__} has no function named {name!r}{_others(module)}"])
    place = f"{target} ({place_of(factory)})"
    if missing := _required(factory):
        raise ConfigError([f"{place}: a factory gets no arguments, and this one needs {', '.join(missing)}: {_BARE}"])
    app = _called(target, "calling", factory)
    if inspect.iscoroutine(app):
        app.close()
        raise ConfigError([f"{place}: a factory is no async function: open connections in the App's lifespan"])
    if not issubclass(type(app), App):
        raise ConfigError([f"{place}: it returned no App but {repr_of(app)}"])
    return app  # type: ignore[no-any-return]


def _required(factory: Callable[..., Any]) -> list[str]:
    """The names of the arguments that a call must have; empty if that is unknown, as for functions in C."""
    try:
        parameters = call_signature(factory).parameters.values()
    except (TypeError, ValueError):
        return []
    optional = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return [each.name for each in parameters if each.default is each.empty and each.kind not in optional]


def _imported(target: str, module_name: str) -> ModuleType:
    add_application(module_name)
    return _called(target, "importing", lambda: importlib.import_module(module_name))


def _called(target: str, doing: str, function: Callable[[], T]) -> T:
    """Run a user's code. Raises ConfigError, or FailedError for an error that may be transient."""
    try:
        return function()
    except KeyboardInterrupt:
        raise
    except ConfigError as error:
        if Path(innermost_file(error)).is_relative_to(OURS):  # it names the user's line
            raise
        raise ConfigError([f"{target}: {problem}{_place(error)}" for problem in error.problems]) from None
    except ModuleNotFoundError as error:
        raise ConfigError([f"{target}: {_missing(error, target.partition(':')[0])}"]) from None
    except BaseException as error:  # noqa: BLE001 - a user's code may raise anything
        trace = _user_trace(attribute(error, "__traceback__"))
        text = " ".join(_text_of(error).split())
        problem = f"{target}: {doing} it failed: {name_of(type(error))}: {text}{_place(error)}"
        is_lasting = issubclass(type(error), (ImportError, SyntaxError)) or is_unset_variable(error)
        if is_lasting or _is_unknown_name(error):
            raise ConfigError([problem]) from None
        BaseException.with_traceback(error, trace)
        raise FailedError(f"{problem}\n{trace_of(error).rstrip()}") from None


def _is_unknown_name(error: BaseException) -> bool:
    """Whether the user's code used a name that hookbus does not have, such as `app.onn` or `worker.Ap`."""
    if not issubclass(type(error), AttributeError):
        return False
    owner = vars(AttributeError)["obj"].__get__(error)  # not an attribute of that name in the user's own class
    home = vars(owner).get("__name__") if type(owner) is ModuleType else type(owner).__module__
    return str(home).partition(".")[0] == "hookbus"


def _user_trace(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the frame of the user's module on."""
    while trace is not None and _is_machinery(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _is_machinery(file: str) -> bool:
    return file == __file__ or "importlib" in file


def _text_of(error: BaseException) -> str:
    """Of a SyntaxError without its place, which `_place` tells as a path."""
    is_syntax = issubclass(type(error), SyntaxError)
    return text_of(vars(SyntaxError)["msg"].__get__(error) if is_syntax else error, TEXT_CHARS)


def _place(error: BaseException) -> str:
    """The innermost line of the user's, for messages."""
    if issubclass(type(error), SyntaxError):
        file, line = (vars(SyntaxError)[name].__get__(error) for name in ("filename", "lineno"))
        return f" ({file}:{line})" if file else ""
    place = describe(error).place
    return f" ({place})" if place else ""


def _no_app(module: ModuleType, module_name: str, name: str) -> str:
    if name not in vars(module):
        return f"{module_name} has no App named {name!r}"
    cls = type(vars(module)[name])
    hint = f"; for the App that it returns write {module_name}:{name}()" if cls is type(_no_app) else ""
    return f"{name!r} in {module_name} is not an App but of class {name_of(cls)}{hint}"


def _apps(module: ModuleType) -> dict[str, App]:
    """Name → app. Not by isinstance, which reads `__class__` of each object: a proxy may raise there."""
    return {name: value for name, value in vars(module).items() if issubclass(type(value), App)}


def _factories(module: ModuleType) -> list[str]:
    """The names of functions of the module that are annotated to return an App."""
    functions = {name: value for name, value in vars(module).items() if inspect.isfunction(value)}
    return [name for name, value in functions.items() if value.__annotations__.get("return") in (App, App.__name__)]


def _missing(error: ModuleNotFoundError, module_name: str) -> str:
    name = error.name or ""
    is_target = f"{module_name}.".startswith(f"{name}.")
    return f"no module named {name!r}{'' if is_target else _place(error)}"


def _others(module: ModuleType) -> str:
    names = list(_apps(module))
    return f" (there: {', '.join(names)})" if names else ""
