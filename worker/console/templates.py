"""Turns views into HTML. All text is escaped, without exception; only `draw` makes markup by itself."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from ..inspect import troubles
from . import attention, draw
from .static import Asset
from .view import View

FOLDER: Final = Path(__file__).with_name("templates")
FILTERS: Final = (
    draw.age, draw.bound, draw.clock, draw.compact, draw.count, draw.duration, draw.hidden, draw.marked, draw.moment,
    draw.path, draw.rate, draw.size, draw.spark, attention.place, troubles.trial,
)  # fmt: skip


class Templates:
    """The templates, compiled at their first use."""

    def __init__(self, assets: Mapping[str, Asset], **names: str) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=draw.visible,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._pieces: dict[str, tuple[int, Markup]] = {}
        self._environment.filters |= {each.__name__: each for each in FILTERS}
        self._environment.globals |= names
        self._environment.globals["asset"] = {name: asset.path for name, asset in assets.items()}

    def draw(self, view: View, frame: Mapping[str, Any], *, is_part: bool) -> str:
        """The whole page, or the part that is refreshed."""
        layout = "part.html" if is_part else "page.html"
        values = {
            **frame,
            **view.values,
            "layout": layout,
            "title": view.title,
            "here": view.nav,
            "is_live": view.is_live,
            "every_ms": view.every_ms,
        }
        if view.version:
            values["version"] = view.version
        return self._environment.get_template(view.template).render(values)

    def once(self, template: str, key: int, values: Callable[[], Mapping[str, Any]]) -> Markup:
        """A piece of a page that is the same for all who ask: drawn once for a key, such as the number of a look."""
        if self._pieces.get(template, (None,))[0] != key:
            self._pieces[template] = key, draw.drawn(self._environment.get_template(template).render(values()))
        return self._pieces[template][1]
