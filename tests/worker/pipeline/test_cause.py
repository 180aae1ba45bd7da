import asyncio
import dataclasses

import msgspec
import pytest
import uvloop

from hookbus.shared.traced import NAME_CHARS, TRACEBACK_CHARS
from hookbus.worker.pipeline import cause as cause_module
from hookbus.worker.pipeline.cause import FRAME_CHARS, MESSAGE_CHARS, Cause, brief, describe
from hookbus.worker.pipeline.dead_letter import fingerprint
from tests.worker.broken_exceptions import BROKEN
from tests.worker.builders import a_route


def raised(error: BaseException) -> BaseException:
    """The error with a traceback."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


@pytest.mark.parametrize("fails", BROKEN, ids=lambda fails: fails.__name__)
def test_any_exception_can_be_described_stored_and_given_a_fingerprint(fails):
    try:
        fails()
    except BaseException as error:
        cause, short = describe(error), brief(error)
    assert cause.frame.startswith("broken_exceptions.py:")
    assert len(cause.traceback) <= TRACEBACK_CHARS + 100
    assert len(cause.error_class) <= NAME_CHARS
    assert len(cause.message) <= MESSAGE_CHARS
    assert len(cause.frame) <= FRAME_CHARS
    assert {type(text) for text in (cause.error_class, cause.message, cause.traceback, cause.frame)} == {str}
    assert (short.error_class, short.message) == (cause.error_class, cause.message)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode((cause.error_class, cause.message, cause.traceback)))
    assert fingerprint(cause.error_class, cause.frame, "a", "attempts_exhausted")


def test_messages_and_tracebacks_are_capped_and_a_traceback_keeps_both_ends():
    cause = describe(raised(ValueError("m" * 100_000 + "end")))
    assert len(cause.message) == MESSAGE_CHARS
    assert len(cause.traceback) < TRACEBACK_CHARS + 100
    assert cause.traceback.startswith("Traceback")
    assert cause.traceback.endswith("end\n")
    assert "characters left out" in cause.traceback
    assert len(brief(ValueError("m" * 100_000)).message) == MESSAGE_CHARS


def test_a_text_that_is_no_valid_utf_8_is_escaped():
    cause = describe(raised(ValueError("name \udcff")))
    assert cause.message == "name \\udcff"
    for text in (cause.message, cause.traceback, brief(ValueError("\udcff")).message):
        msgspec.msgpack.encode(text)


def test_a_given_message_replaces_the_exceptions_own():
    assert describe(raised(TimeoutError()), "timed out after 5 s").message == "timed out after 5 s"


def test_a_cause_reads_as_one_line():
    assert str(Cause("KeyError", "'x'")) == "KeyError: 'x'"
    assert str(Cause("TimeoutError", "")) == "TimeoutError"


def fails_here(source: str) -> Cause:
    """Run code as a user's module, and describe its failure."""
    scope: dict = {}
    exec(compile(source, "/srv/app/handlers.py", "exec"), scope)
    try:
        scope["handle"]()
    except Exception as error:
        return describe(error)
    raise AssertionError("it did not fail")


def test_the_application_frame_is_the_innermost_of_the_users_and_stays_when_lines_move():
    plain = "def charge():\n    raise KeyError('x')\ndef handle():\n    charge()\n"
    moved = "# a comment\n\n\n" + plain.replace("    charge()", "    a = 1\n    charge()")
    assert fails_here(plain).frame == fails_here(moved).frame == "handlers.py:charge"


@pytest.mark.parametrize(
    "body",
    ["import json; json.loads('{')", "import nobody_has_this", "import asyncio; asyncio.run(None)",
     "import msgspec; msgspec.json.decode(b'{')", "from hookbus.shared.keys import shard_of; shard_of(None, 1)"],
)  # fmt: skip
def test_neither_the_library_nor_hookbus_nor_the_import_machinery_is_the_application(body):
    assert fails_here(f"def handle():\n    {body}\n").frame == "handlers.py:handle"


def test_an_error_without_an_application_frame_has_no_frame():
    assert describe(TimeoutError()).frame == ""


async def fails_in_cython(event: dict) -> None:
    await asyncio.open_connection("127.0.0.1", 1)


def test_a_library_made_by_cython_is_no_application():
    with pytest.raises(OSError, match="Connect") as caught:
        uvloop.run(fails_in_cython({}))
    cause = describe(caught.value)
    line = fails_in_cython.__code__.co_firstlineno + 1
    assert (cause.frame, cause.place) == ("test_cause.py:fails_in_cython", f"{__file__}:{line}")


@dataclasses.dataclass
class Checked:
    name: str

    def __post_init__(self) -> None:
        raise ValueError(self.name)


def test_code_that_python_made_is_no_application():
    def build_it() -> None:
        dataclasses.make_dataclass("Made", ["name"])()

    with pytest.raises(TypeError) as caught:
        build_it()
    assert describe(caught.value).frame.endswith("build_it")
    with pytest.raises(ValueError, match="x") as of_a_value:
        Checked("x")
    assert describe(of_a_value.value).frame == "test_cause.py:Checked.__post_init__"


@pytest.mark.parametrize("package", ["myservice", "json"])
def test_an_application_that_is_installed_beside_libraries_is_one_by_its_package(monkeypatch, package):
    monkeypatch.setattr(cause_module, "_own_packages", set())
    file = "/srv/venv/lib/python3.11/site-packages/handlers.py"
    scope: dict = {"__name__": f"{package}.handlers", "__file__": file}
    exec(compile("def charge():\n    raise KeyError('x')", file, "exec"), scope)
    with pytest.raises(KeyError) as caught:
        scope["charge"]()
    assert describe(caught.value).frame.startswith("test_cause.py:")
    cause_module.add_application(f"{package}.other")
    is_application = describe(caught.value).frame == "handlers.py:charge"
    assert is_application == (package == "myservice"), "the standard library is none"


def test_the_package_of_a_handler_is_an_application(monkeypatch):
    monkeypatch.setattr(cause_module, "_own_packages", set())
    a_route(fails_in_cython)
    assert cause_module._own_packages == {__name__.partition(".")[0]}
