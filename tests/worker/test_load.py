import importlib
import sys

import pytest

from hookbus import App
from hookbus.shared.command import FailedError
from hookbus.shared.settings import ConfigError
from hookbus.worker.load import LATER, load_apps

for _name in LATER:
    importlib.import_module(_name)  # no test may undo these imports: a process creates metrics once


@pytest.fixture(autouse=True)
def put_back():
    path, modules = list(sys.path), set(sys.modules)
    sys.path_importer_cache.pop(".", None)  # it caches the working directory of another test
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a user's module to the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(source: str, name: str = "my_handlers.py") -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)

    return write


APPS = """
from hookbus import App
first, second = App("first"), App("second")
alias = first
"""


def problem_of(*targets: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_apps(targets)
    (problem,) = caught.value.problems
    assert "\n" not in problem
    return problem


def test_apps_are_found_by_name_in_modules_of_the_working_directory(module):
    module(APPS)
    module("", "package/__init__.py")
    module("from hookbus import App\napp = App('third')\n", "package/handlers.py")
    apps = load_apps(["my_handlers:second", "my_handlers:alias", "package.handlers:app"])
    assert [app.group for app in apps] == ["second", "first", "third"]


def test_a_module_with_one_app_needs_no_name(module):
    module("from hookbus import App\napp = alias = App('only')\n")
    (app,) = load_apps(["my_handlers"])
    assert isinstance(app, App)


@pytest.mark.parametrize("target", ["", ":app", "my_handlers:"])
def test_an_invalid_target_is_reported_with_the_expected_form(module, target):
    module(APPS)
    assert problem_of(target) == f"{target!r}: expected module:app"


def test_a_missing_module_is_reported(module):
    assert problem_of("nobody_has_this:app") == "nobody_has_this:app: no module named 'nobody_has_this'"
    module("import nobody_has_this_either\n")
    problem = problem_of("my_handlers:app")
    assert problem.startswith("my_handlers:app: no module named 'nobody_has_this_either' (")
    assert problem.endswith("my_handlers.py:1)")


@pytest.mark.parametrize(
    ("target", "write"),
    [
        ("my_handlers.py:app", "my_handlers:app"),
        ("package/my_handlers.py:app", "package.my_handlers:app"),
        ("./package/my_handlers.py", "package.my_handlers:app"),
        (".my_handlers:first", "mypackage.my_handlers:first"),
    ],
)
def test_a_target_that_names_a_file_or_a_relative_module_is_reported_with_the_correct_form(module, target, write):
    module(APPS)
    assert problem_of(target).endswith(f": {write}")


@pytest.mark.parametrize("target", ["my..handlers:app", "my_handlers:a b", "my_handlers:app:app", "my_handlers:()"])
def test_an_invalid_name_is_refused_before_any_import(module, target):
    module("raise RuntimeError('imported')\n")
    assert problem_of(target) == f"{target!r}: expected module:app"


def test_a_missing_attribute_is_reported_with_the_apps_of_the_module(module):
    module(APPS)
    assert problem_of("my_handlers:nothing") == (
        "my_handlers:nothing: my_handlers has no App named 'nothing' (there: first, second, alias)"
    )


def test_an_object_that_is_not_an_app_is_reported(module):
    module("app = 5\n")
    assert problem_of("my_handlers:app") == "my_handlers:app: 'app' in my_handlers is not an App but of class int"
    module("from hookbus import App\ndef made(): return App('made')\n", "factory.py")
    problem = problem_of("factory:made")
    assert (
        "'made' in factory is not an App but of class function; for the App that it returns write factory:made()"
        in problem
    )


FACTORIES = """
import functools
from hookbus import App
calls = []
def factory():
    calls.append(1)
    return App(f"made{len(calls)}")
def optional(group="optional", *args, **options): return App(group)
class Container:
    def __call__(self): return App("object")
    def method(self): return App("method")
with_call, method = Container(), Container().method
part = functools.partial(lambda group: App(group), "part")
Own = type("Own", (App,), {"__init__": lambda self: App.__init__(self, "own")})
app = App("app")
def same(): return app
def needs(dsn, *, timeout, retries=3): ...
async def later(): ...
def creates(): return later()
def nothing(): ...
def breaks(): return {}["dsn"]
def misuses(): return App("no name")
def lacks(): import nobody_has_this
"""


@pytest.mark.parametrize("name", ["optional", "with_call", "method", "part", "Own"])
def test_a_factory_may_be_any_callable(module, name):
    module(FACTORIES)
    [app] = load_apps([f"my_handlers:{name}()"])
    assert app.group in (name.lower(), "object")


def test_a_factory_is_called_once_for_each_target(module):
    module(FACTORIES)
    assert [app.group for app in load_apps(["my_handlers:factory()"] * 2)] == ["made1"]


def test_two_targets_may_give_the_same_app(module):
    module(FACTORIES)
    first, second = load_apps(["my_handlers:app", "my_handlers:same()"])
    assert first is second


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("needs", 17, "a factory gets no arguments, and this one needs dsn, timeout: write a function without any"),
        ("later", 18, "a factory is no async function: open connections in the App's lifespan"),
        ("creates", 19, "a factory is no async function: open connections in the App's lifespan"),
        ("nothing", 20, "it returned no App but None"),
    ],
)
def test_a_factory_that_gives_no_app_is_refused_with_its_place(module, tmp_path, name, line, message):
    module(FACTORIES)
    problem = problem_of(f"my_handlers:{name}()")
    assert problem.startswith(f"my_handlers:{name}() ({tmp_path}/my_handlers.py:{line} {name}): {message}")


def test_a_factory_that_is_none_is_refused_with_what_to_write(module):
    module(FACTORIES)
    assert problem_of("my_handlers:app()").endswith("'app' is an App, not a function: write my_handlers:app")
    assert "has no function named 'nobody' (there: app)" in problem_of("my_handlers:nobody()")
    assert "has no function named 'calls'" in problem_of("my_handlers:calls()")
    for target in ("my_handlers:needs(5)", "my_handlers:needs(dsn='x')"):
        assert problem_of(target).endswith("write a function without any that calls it, as my_handlers:needs()")


def test_a_factory_that_raises_is_reported_like_a_module_that_does(module, tmp_path):
    module(FACTORIES)
    with pytest.raises(FailedError, match="Traceback") as caught:
        load_apps(["my_handlers:breaks()"])
    problem = str(caught.value).partition("\n")[0]
    assert problem == f"my_handlers:breaks(): calling it failed: KeyError: 'dsn' ({tmp_path}/my_handlers.py:21)"
    assert "load.py" not in str(caught.value)
    assert problem_of("my_handlers:misuses()").endswith(f"({tmp_path}/my_handlers.py:22)")
    assert problem_of("my_handlers:lacks()").endswith(f"'nobody_has_this' ({tmp_path}/my_handlers.py:23)")


def test_objects_that_raise_on_inspection_are_not_apps_and_are_ignored(module):
    module("""
from hookbus import App
class Proxy:
    @property
    def __class__(self): raise RuntimeError("outside of a request")
request = Proxy()
app = App("only")
""")
    (app,) = load_apps(["my_handlers"])
    assert app.group == "only"
    assert problem_of("my_handlers:request").endswith("is not an App but of class Proxy (there: app)")


def test_of_several_apps_one_has_to_be_named(module):
    module(APPS)
    assert problem_of("my_handlers") == (
        "my_handlers: the module has 2 apps; name one as my_handlers:app (there: first, second, alias)"
    )
    module("", "empty.py")
    assert problem_of("empty") == "empty: the module has 0 apps; name one as empty:app"
    module("from hookbus import App\ndef helps(): ...\ndef create_app() -> App: ...\n", "makes.py")
    way = "makes:create_app() for the App that it returns"
    assert problem_of("makes") == f"makes: the module has 0 apps; name one as {way}"


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        ("a = 1\nraise ValueError('first line\\nsecond line')\n", "ValueError: first line second line", 2),
        ("def f():\n    return 1 / 0\nf()\n", "ZeroDivisionError: division by zero", 2),
        ("import sys\nsys.exit('bye')\n", "SystemExit: bye", 2),
        ("def f(:\n", "SyntaxError: invalid syntax", 1),
        ("import json\njson.loads('')\n", "JSONDecodeError: Expecting value", 2),
        ("import os\nos.environ['NOPE_DSN']\n", "KeyError: 'NOPE_DSN'", 2),
        ("{}['NOPE_DSN']\n", "KeyError: 'NOPE_DSN'", 1),
        ("from hookbus.worker import Nothing\n", "ImportError: cannot import name 'Nothing'", 1),
    ],
)
def test_a_module_that_fails_at_import_is_reported_in_a_line_with_the_place(module, tmp_path, source, message, line):
    module(source)
    is_wrong = message.startswith(("SyntaxError", "ImportError")) or "environ" in source
    with pytest.raises(ConfigError if is_wrong else FailedError) as caught:
        load_apps(["my_handlers:app"])
    (reported,) = getattr(caught.value, "problems", caught.value.args)
    problem, _, trace = reported.partition("\n")
    assert trace.startswith("Traceback" if not is_wrong else "")
    assert problem.startswith(f"my_handlers:app: importing it failed: {message}")
    assert "load.py" not in reported
    assert "importlib" not in reported
    if line is not None:
        assert f"my_handlers.py:{line})" in problem


def test_a_configuration_error_in_a_module_has_its_line(module, tmp_path):
    module("from hookbus import App\napp = App('no name')\n")
    assert problem_of("my_handlers:app").startswith("App(group='no name'): a group name is")
    module("from hookbus import ConfigError\nraise ConfigError(['MY_DSN is missing'])\n")
    assert problem_of("my_handlers:app") == f"my_handlers:app: MY_DSN is missing ({tmp_path / 'my_handlers.py'}:2)"


WRONG_CALLS = {
    'app.on("response.completed", retries=3)': "App.on(): got an unexpected keyword argument 'retries'; it takes",
    "app.on()": "App.on(): missing a required argument: 'pattern'",
    'app.on("a", 3)': "App.on(): too many positional arguments",
    'app.on("a")()': "on('a')(): missing a required argument: 'handler'",
    'app.on("a")(3)': "on('a'): 3 is not callable",
    'app.on("a", timeout="5")': "on('a'): timeout must be a number",
    'App("g", starts="latest")': "App(): got an unexpected keyword argument 'starts'; it takes group, start",
    "App()": "App(): missing a required argument: 'group'",
    'App("g", "latest")': "App(): too many positional arguments",
    'App("g", start="soon")': "App(start='soon')",
    "Retry(tries=3)": "Retry(): got an unexpected keyword argument 'tries'; it takes attempts, base",
    "Retry(1, 2, 3, 4, 5, 6)": "Retry(): too many positional arguments",
    'Retry(attempts="3")': "Retry(attempts='3'",
    "Retry(attempts=0)": "Retry(attempts=0",
    "Breaker(after=3)": "Breaker(): got an unexpected keyword argument 'after'; it takes failures, delay, cap",
    "Breaker(delay=None)": "Breaker(failures=20, delay=None",
    'app.onn("a")': "AttributeError: 'App' object has no attribute 'onn'",
    "hookbus.Ap": "AttributeError: ",
}


@pytest.mark.parametrize("call", WRONG_CALLS)
def test_a_wrong_call_of_hookbus_at_import_is_configuration_with_its_line(call, module, tmp_path):
    module(f"import hookbus\nfrom hookbus import App, Breaker, Retry\napp = App('g')\n{call}\n")
    problem = problem_of("my_handlers:app")
    assert WRONG_CALLS[call] in problem
    assert problem.endswith(f" ({tmp_path}/my_handlers.py:4)")


@pytest.mark.parametrize(
    "source",
    [
        "class App:\n    def on(self): ...\nApp().on(retries=3)",
        "import msgspec\nclass Retry(msgspec.Struct): ...\nRetry(tries=3)",
        "None.on('a')",
        "from hookbus import App\n{}['group']",
    ],
)
def test_an_error_of_the_module_itself_is_transient_and_keeps_its_traceback(source, module):
    module(source)
    with pytest.raises(FailedError, match="Traceback"):
        load_apps(["my_handlers"])
