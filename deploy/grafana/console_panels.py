"""The row of the console, as in panels.py."""

from typing import Final

from deploy.grafana.panel import Panel, Row

CONSOLE: Final = Row(
    "Console",
    (
        Panel(
            "Age of what its pages show",
            "s",
            {"{{instance}}": "max by (instance) (hookbus_console_look_age_seconds)"},
            "Two seconds while somebody has a page open, a minute at rest.",
            fails_at=180,
        ),
        Panel(
            "Duration of a look",
            "s",
            {"{{instance}}": "max by (instance) (hookbus_console_look_seconds)"},
            "It rests for twenty times as long.",
        ),
        Panel(
            "Refused parts, moves that run",
            "short",
            {
                "refused, {{instance}}": "max by (instance) (hookbus_console_unasked)",
                "moves, {{instance}}": "max by (instance) (hookbus_console_jobs)",
            },
            "What Redis refuses is named on the pages.",
        ),
    ),
)
