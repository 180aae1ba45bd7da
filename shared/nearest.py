"""Which of the known names a person meant by one that is not known."""

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like another, in whatever case; None if none is near.

    For a `prefix.*` it is the nearest such pattern that matches one of the names.
    """
    import difflib  # a command that has nothing to correct starts without it

    names = _prefixes(known) if name.endswith("*") else known
    by_lower = {each.lower(): each for each in names}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, for the end of a message; "" if nothing is near."""
    found = nearest(name, known)
    return f"; did you mean {found}?" if found else ""


def _prefixes(types: Iterable[str]) -> set[str]:
    return {f"{name[:i]}.*" for name in types for i, char in enumerate(name) if char == "."}
