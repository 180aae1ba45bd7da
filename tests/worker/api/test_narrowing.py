import pytest

from hookbus import App
from hookbus.shared.settings import ConfigError
from hookbus.worker.api.narrowing import narrowed


async def handler(event): ...


def sources_of(app: App) -> list[frozenset[str] | None]:
    return [subscription.sources for subscription in app.subscriptions]


def test_without_a_source_a_subscription_takes_all():
    app = App("g")
    app.on("a")(handler)
    assert sources_of(app) == [None]


def test_a_subscription_takes_the_sources_of_its_app_or_fewer():
    app = App("g", source=["openai", "claude"])
    app.on("a")(handler)
    app.on("b", source="claude")(handler)
    assert sources_of(app) == [{"openai", "claude"}, {"claude"}]


@pytest.mark.parametrize(
    "source", ["openai", ("openai",), ["openai"], {"openai"}, frozenset(["openai"]), {"openai": 1}.keys()]
)
def test_one_source_or_several_are_named(source):
    assert narrowed("App('g')", source) == {"openai"}


@pytest.mark.parametrize(
    "source", ["", "a b", (), [], ("a", ""), ("a", 1), 5, True, b"openai", [b"x"], 1.5, {"openai": 1}], ids=repr
)
def test_anything_else_is_refused_with_the_line_and_what_to_write(source):
    with pytest.raises(ConfigError) as caught:
        App("g", source=source)
    (problem,) = caught.value.problems
    assert problem.startswith("App('g'): source must be the name of a source of ingest, or several as in source=(")
    assert __file__ in problem
    with pytest.raises(ConfigError, match=r"on\('a'\): source must be"):
        App("g").on("a", source=source)


def test_a_subscription_stays_within_its_app():
    app = App("g", source="openai")
    with pytest.raises(ConfigError) as caught:
        app.on("a", source=("claude", "openai"))
    (problem,) = caught.value.problems
    assert problem.startswith("on('a'): source claude is none of the app's, openai (")
    assert __file__ in problem
