"""Writes `hookbus.json`, Grafana's form of `panels`: python -m deploy.grafana.dashboard

https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from deploy.grafana.panel import Panel, Row
from deploy.grafana.panels import ROWS

FILE: Final = Path(__file__).parent / "hookbus.json"
COLUMNS: Final = 24
"""Of Grafana's grid."""
STAT_SIZE: Final = (3, 4)
PLOT_SIZE: Final = (8, 8)
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}

Json = dict[str, Any]


def dashboard(rows: Sequence[Row] = ROWS) -> Json:
    """The whole dashboard."""
    return {
        "uid": "hookbus",
        "title": "hookbus",
        "tags": ["hookbus"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_datasource(), _group()]},
        "panels": [{"id": number} | panel for number, panel in enumerate(_panels(rows), 1)],
    }


def _datasource() -> Json:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _group() -> Json:
    query = "label_values(hookbus_consumers, group)"
    return {
        "name": "group",
        "label": "Group",
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": "group"},
        "refresh": 2,  # whenever the time range changes
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }


def _panels(rows: Sequence[Row]) -> Iterator[Json]:
    """Panels from left to right and down, each row under its heading."""
    y = 0
    for row in rows:
        yield {
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": _position(0, y, COLUMNS, 1),
            "panels": [],
        }
        x, y, height = 0, y + 1, 0
        for panel in row.panels:
            w, h = STAT_SIZE if panel.is_stat else PLOT_SIZE
            if x + w > COLUMNS or (height and h != height):
                x, y = 0, y + height
            yield _panel(panel) | {"gridPos": _position(x, y, w, h)}
            x, height = x + w, h
        y += height


def _position(x: int, y: int, w: int, h: int) -> Json:
    return {"x": x, "y": y, "w": w, "h": h}


def _panel(panel: Panel) -> Json:
    return {
        "type": "stat" if panel.is_stat else "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "targets": [
            {"refId": chr(ord("A") + i), "datasource": SOURCE, "expr": query, "legendFormat": legend or panel.title}
            for i, (legend, query) in enumerate(panel.queries.items())
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _stat_options() if panel.is_stat else _plot_options(),
    }


def _defaults(panel: Panel) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    steps += [{"color": "orange", "value": panel.warns_at}] if panel.warns_at is not None else []
    steps += [{"color": "red", "value": panel.fails_at}] if panel.fails_at is not None else []
    common: Json = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}, "noValue": "–"}
    if panel.is_stat:
        return common | {"color": {"mode": "thresholds"}}
    custom = {
        "lineWidth": 1,
        "fillOpacity": 30 if panel.is_stacked else 0,
        "stacking": {"mode": "normal" if panel.is_stacked else "none"},
        "showPoints": "never",
        "thresholdsStyle": {"mode": "dashed" if panel.fails_at is not None else "off"},
    }
    minimum: Json = {} if panel.is_signed else {"min": 0}
    return common | minimum | {"color": {"mode": "palette-classic"}, "custom": custom}


def _stat_options() -> Json:
    return {
        "colorMode": "background",
        "graphMode": "area",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }


def _plot_options() -> Json:
    return {
        "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def text() -> str:
    """The content of the file."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
