"""How values look on a page: filters of the templates. Pure, and the only file that makes markup by itself.

Whatever is shown may come from a sender or a handler. Templates escape all text; here control characters, marks of
writing direction and invisible characters become visible, so that no text looks like another.
"""

import itertools
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from markupsafe import Markup, escape

from ..inventory.statistics import BOUNDS_S

HIDDEN: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""C0 and C1 except tab and newline, marks of writing direction, characters without a width, and surrogates."""
_RUN: Final = re.compile(f"{HIDDEN.pattern}+")
_UNITS: Final = (("y", 31_536_000), ("d", 86_400), ("h", 3_600), ("m", 60))
"""A year has 365 days here: nobody counts leap days of an age."""
_SIZES: Final = ((10**9, "G"), (10**6, "M"), (10**3, "k"))
WIDTH: Final = 120
HEIGHT: Final = 28
"""The size of a sparkline's own coordinates; the style sheet stretches it."""


def visible(value: Any) -> Any:
    """What a template is about to print: hidden characters of a text become escapes. Never returns markup for text."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return HIDDEN.sub(lambda match: _escape(match[0]), value)
    return value


def drawn(text: str) -> Markup:
    """What a template has drawn, to be put into another."""
    return Markup(text)  # noqa: S704 - the text is ours: a template escapes what it is given


def marked(text: str) -> Markup:
    """A text from outside, with its hidden characters as escapes that stand out. Not for attributes."""
    parts, last = [], 0
    for match in _RUN.finditer(text):
        parts.append(escape(text[last : match.start()]))
        parts.append(Markup(f'<span class="ctl">{"".join(map(_escape, match[0]))}</span>'))  # noqa: S704 - ours
        last = match.end()
    return Markup("").join([*parts, escape(text[last:])])


def hidden(text: str, name: str) -> Markup:
    """A hidden field of a form. A browser changes line ends in what it sends, and HTML has no NUL: a text with such is
    percent-encoded under `name*` (as in RFC 8187), which `form` reads."""
    if not text.isprintable():
        name, text = f"{name}*", path(text)
    return Markup('<input type="hidden" name="{}" value="{}">').format(name, text)


def span(kind: str, text: str) -> Markup:
    """A text from outside, as `marked`, in a span of a class of ours."""
    return Markup(f'<span class="{kind}">{marked(text)}</span>')  # noqa: S704 - it is marked, and the class is ours


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"U+{code:04X}"


def path(text: str) -> str:
    """A text as one segment of a path or as a value of a query."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def count(number: float) -> str:
    """A number in full: 18,204."""
    return f"{number:,.0f}"


def compact(number: float) -> str:
    """A number in four characters at most: 812, 1.9k, 18k, 2.1M."""
    for size, unit in _SIZES:
        if number >= size:
            scaled = number / size
            return f"{scaled:.1f}{unit}" if scaled < 9.95 else f"{scaled:.0f}{unit}"
    return f"{number:.0f}"


def rate(per_s: float) -> str:
    """Events a second: 0.2, 48.3, 1,204."""
    return f"{per_s:.1f}" if per_s < 100 else count(per_s)


def age(seconds: float) -> str:
    """A duration in its two largest units: 0.4 s, 59 s, 6 m 12 s, 9 d 4 h."""
    if seconds < 60:
        return f"{max(0.0, seconds):.1f} s" if seconds < 10 else f"{int(seconds)} s"
    for (unit, size), (lower, part) in itertools.pairwise((*_UNITS, ("s", 1))):
        if seconds >= size:
            rest = int(seconds % size // part)
            return f"{int(seconds // size)} {unit}" + (f" {rest} {lower}" if rest else "")
    raise AssertionError(seconds)


def duration(ms: float) -> str:
    """How long an attempt took: 0.9 ms, 12 ms, 1.9 s."""
    if ms >= 1000:
        return age(ms / 1000)
    return f"{ms:.1f} ms" if ms < 10 else f"{ms:.0f} ms"


def bound(seconds: float | None) -> str:
    """The end of a bucket of durations, infinite for the last one: ≤ 25 ms, > 1 m; – for none."""
    if seconds is None:
        return "–"
    if math.isinf(seconds):
        return f"> {age(BOUNDS_S[-1])}"
    return f"≤ {age(seconds)}" if seconds >= 1 else f"≤ {seconds * 1000:g} ms"


STEPS: Final = (
    "An upper bound: attempts are counted by steps of duration, which end at "
    f"{', '.join(bound(end_s).removeprefix('≤ ') for end_s in BOUNDS_S)}."
)
"""What `bound` tells, for people."""


def size(amount: int) -> str:
    """Bytes: 318 bytes, 64 KiB, 1.2 MiB."""
    if amount < 1024:
        return f"{amount} byte{'' if amount == 1 else 's'}"
    value, unit = amount / 1024, "KiB"
    for larger in ("MiB", "GiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"


def moment(unix_ms: int) -> str:
    """A time in UTC, to the millisecond."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.") + f"{unix_ms % 1000:03d}"


def clock(unix_ms: int) -> str:
    """The time of day in UTC."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%H:%M:%S")


def spark(values: Sequence[float], colour: str, *, inline: bool = False) -> Markup:
    """A small plot of a series, without axes; its figure stands beside it in words."""
    if len(values) < 2:
        values = [*values, *values] or [0.0, 0.0]
    top = max(values) or 1.0
    if min(values) == top:
        top *= 2  # a constant is neither high nor low
    points = [
        f"{i * WIDTH / (len(values) - 1):.1f} {HEIGHT - 2 - (HEIGHT - 4) * max(0.0, value) / top:.1f}"
        for i, value in enumerate(values)
    ]
    line = "M" + "L".join(points)
    return Markup(
        '<svg class="spark {}{}" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">'
        '<path class="area" d="{}"/><path d="{}"/></svg>'
    ).format(colour, " inline" if inline else "", WIDTH, HEIGHT, f"{line}L{WIDTH} {HEIGHT}L0 {HEIGHT}Z", line)
