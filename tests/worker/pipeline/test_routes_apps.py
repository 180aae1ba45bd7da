"""The apps of a group, and what is wrong with them as a whole."""

from datetime import UTC, datetime

from hookbus import App
from hookbus.worker.pipeline.routes import build
from tests.worker.pipeline.test_routes import group_app, handle, problems_of


def test_an_app_named_twice_is_one_app():
    app = App("g")
    app.on("a")(handle)
    assert len(build([app, app], 30)) == 1


def test_apps_of_one_group_must_agree_about_the_start():
    first, second = App("g"), App("g", start=datetime(2026, 1, 1, tzinfo=UTC))
    first.on("a")(handle)
    second.on("b")(handle)
    assert problems_of(first, second) == [
        f"group g: its apps disagree about start: 'earliest'{first.where} and {second.start!r}{second.where}"
    ]
    assert f"({__file__}:" in first.where


def test_a_group_without_subscriptions_is_an_error_that_says_what_to_do():
    app = App("g")
    assert problems_of(app) == [f"group g{app.where}: no subscriptions; decorate a handler with @app.on(...)"]


def test_an_app_that_was_made_twice_is_told_by_its_handler():
    apps = [group_app("a"), group_app("a")]
    (problem,) = problems_of(*apps)
    assert problem.endswith("handle, in two Apps; was its factory called twice?")
