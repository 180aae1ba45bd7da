"""Texts that others' consoles ran, broke on, or showed as something else."""

from typing import Final

CORPUS: Final = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "{{7*7}}{% raw %}",
    "</textarea></title></style><svg onload=alert(1)>",
    "nul \x00 esc \x1b[31m bell \x07",
    "\u202egnp.exe \u2066 \u200b",
    "http://evil.example/x.png' onmouseover='alert(1)",
)
"""Each is shown as text somewhere: `draw.marked` makes the hidden characters visible."""

LONG: Final = "x" * 300_000
LINE: Final = b"x" * 10_000_000
DEEP: Final = b"[" * 10_000 + b"]" * 10_000
