"""Patterns of event types: an exact type, `prefix.*` or `*`."""

from . import keys


def patterns_of(event_type: str) -> tuple[str, ...]:
    """Every pattern that subscribes to a type: itself, `prefix.*` for each of its prefixes, `*`.

    The only place with this rule; scripts receive its result. hookbus's own types match only their full names.
    """
    if event_type.startswith(keys.RESERVED):
        return (event_type,)
    prefixes = (event_type[:i] for i, char in enumerate(event_type) if char == "." and i)
    return (event_type, *(f"{prefix}.*" for prefix in prefixes), "*")


def by_precedence(event_type: str) -> tuple[str, ...]:
    """The patterns of a type, the most specific first: the first that a group subscribes to runs it."""
    own, *others = patterns_of(event_type)
    return (own, *sorted(others, key=len, reverse=True))


def matches(pattern: str, event_type: str) -> bool:
    """Whether a pattern from the command line, for a filter or a pause, matches a type."""
    if pattern.endswith("*"):
        return event_type.startswith(pattern[:-1])
    return event_type == pattern


def is_pattern(text: str) -> bool:
    """Whether a text is a pattern."""
    return text == "*" or keys.is_name(text.removesuffix(".*"))
