"""Broken exceptions, as libraries and generated code contain them: each function raises one."""

from typing import NoReturn


class Meta(type):
    def __getattribute__(cls, name: str) -> NoReturn:
        raise SystemExit(name)

    def __instancecheck__(cls, instance: object) -> NoReturn:
        raise KeyboardInterrupt


class EvilError(Exception, metaclass=Meta):
    """Ends the program on any access."""

    def __str__(self) -> NoReturn:
        raise SystemExit(3)

    __repr__ = __str__

    def __getattribute__(self, name: str) -> NoReturn:
        raise KeyboardInterrupt(name)

    def __eq__(self, other: object) -> NoReturn:
        raise SystemExit(other)

    def __hash__(self) -> NoReturn:
        raise SystemExit(4)


class LiarError(Exception):
    """An exception whose attributes have no documented type."""

    __class__ = property(lambda self: 1 / 0)  # type: ignore[assignment]
    __cause__ = property(lambda self: self)  # type: ignore[assignment]
    __context__ = property(lambda self: 1 / 0)  # type: ignore[assignment]
    __traceback__ = property(lambda self: "no traceback")  # type: ignore[assignment]
    __notes__ = property(lambda self: 1 / 0)  # type: ignore[assignment]
    args = property(lambda self: 1 / 0)  # type: ignore[assignment]


class NoTextError(Exception):
    def __str__(self) -> str:
        return None  # type: ignore[return-value] # noqa: PLE0307


class OddText(str):
    __slots__ = ()

    def __getitem__(self, index: object) -> NoReturn:
        raise SystemExit

    def __str__(self) -> str:
        return self

    encode = __format__ = __len__ = __iter__ = __getitem__  # type: ignore[assignment]


class OddError(Exception):
    def __str__(self) -> str:
        return OddText("odd")


class Interrupts(BaseException):
    def __str__(self) -> str:
        raise KeyboardInterrupt


def evil() -> NoReturn:
    raise EvilError


def liar() -> NoReturn:
    raise LiarError


def no_text() -> NoReturn:
    raise NoTextError


def odd_text() -> NoReturn:
    raise OddError


def interrupts() -> NoReturn:
    raise Interrupts


def syntax_error_of_bytes() -> NoReturn:
    raise SyntaxError("unexpected token", ("page.j2", 3, 7, b"{% for x in %}"))


def syntax_error_of_nonsense() -> NoReturn:
    raise SyntaxError("no", (object(), "x", None, 3.5))


def notes_that_are_none() -> NoReturn:
    error = ValueError("n")
    error.__notes__ = 5  # type: ignore[assignment]
    raise error


def notes_that_raise() -> NoReturn:
    error = ValueError("n")
    error.__notes__ = [EvilError(), "\udcff", *["x" * 10_000] * 1000]  # type: ignore[list-item]
    raise error


def its_own_cause() -> NoReturn:
    first, second = ValueError("one"), ValueError("two")
    first.__cause__, second.__cause__ = second, first
    raise first


def many_causes() -> NoReturn:
    last: Exception | None = None
    for number in range(100_000):
        error = ValueError(number)
        error.__cause__, last = last, error
    assert last is not None
    raise last


def a_deep_group() -> NoReturn:
    error: Exception = ValueError("leaf")
    for _ in range(10_000):
        error = ExceptionGroup("g", [error])
    raise error


def a_group_that_doubles() -> NoReturn:
    error: Exception = ValueError("leaf")
    for _ in range(60):
        error = ExceptionGroup("g", [error, error])
    raise error


def a_wide_group_of_broken_ones() -> NoReturn:
    raise ExceptionGroup("g", [EvilError(), LiarError(), *[ValueError("x" * 1000)] * 100_000])


def a_recursion() -> NoReturn:
    a_recursion()
    raise AssertionError


def a_huge_text() -> NoReturn:
    raise ValueError("x" * 20_000_000)


def a_huge_name() -> NoReturn:
    raise type("N" * 1_000_000, (Exception,), {})


def a_name_of_surrogates() -> NoReturn:
    raise ValueError("\udcff" * 100_000)


BROKEN = [
    evil, liar, no_text, odd_text, interrupts, syntax_error_of_bytes, syntax_error_of_nonsense, notes_that_are_none,
    notes_that_raise, its_own_cause, many_causes, a_deep_group, a_group_that_doubles, a_wide_group_of_broken_ones,
    a_recursion, a_huge_text, a_huge_name, a_name_of_surrogates,
]  # fmt: skip
