import inspect
from datetime import UTC, datetime

import pytest

from hookbus import App, Breaker, Retry
from hookbus.shared.settings import ConfigError
from hookbus.worker.api.app import DEFAULT_RETRY


async def handler(event): ...


def test_on_returns_the_handler_unchanged_so_that_it_can_be_called_and_subscribed_again():
    app = App("billing")
    assert app.on("a.b")(app.on("c.*")(handler)) is handler
    assert [subscription.pattern for subscription in app.subscriptions] == ["c.*", "a.b"]


def test_arguments_of_on_are_kept_and_the_rest_is_default():
    app = App("billing")
    app.on("a", concurrency=8, timeout=5, max_age=20, retry=Retry(attempts=3))(handler)
    app.on("b")(handler)
    given, default = app.subscriptions
    assert (given.concurrency, given.timeout_s, given.max_age_s, given.retry.attempts) == (8, 5, 20, 3)
    assert (default.concurrency, default.timeout_s, default.max_age_s, default.retry) == (None,) * 3 + (DEFAULT_RETRY,)


def test_a_subscription_returns_the_location_of_its_handler():
    app = App("billing")
    app.on("a")(handler)
    app.on("b")(print)
    line = handler.__code__.co_firstlineno
    assert app.subscriptions[0].where == f"{__file__}:{line} handler"
    assert app.subscriptions[1].where == "print"


@pytest.mark.parametrize("group", ["billing", "a" * 128, "A.b-c_9"])
def test_names_that_fit_in_a_key_are_groups(group):
    assert App(group).group == group


@pytest.mark.parametrize("group", ["", "a" * 129, "a b", "a:b", "{0}", "é", "handover", "a*"])
def test_other_names_are_refused_and_the_message_says_which_and_what_is_allowed(group):
    with pytest.raises(ConfigError) as caught:
        App(group)
    assert repr(group) in str(caught.value)
    assert "1 to 128" in str(caught.value)


def test_a_group_starts_with_the_stored_events_by_default():
    assert App("g").start == "earliest"
    assert App("g", start="latest").start == "latest"
    assert App("g", start=datetime(2026, 1, 1, tzinfo=UTC)).start == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("start", ["now", "", None, 5, datetime(2026, 1, 1)], ids=repr)
def test_an_invalid_start_or_one_without_a_time_zone_is_refused(start):
    with pytest.raises(ConfigError, match="time zone"):
        App("g", start=start)


@pytest.mark.parametrize("name", ["concurrency", "timeout", "max_age"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_limits_must_be_positive(name, value):
    with pytest.raises(ConfigError, match=rf"on\('a'\): {name} must be positive"):
        App("g").on("a", **{name: value})


def test_a_fractional_concurrency_is_refused():
    with pytest.raises(ConfigError, match=r"concurrency must be a whole number, not 2\.5"):
        App("g").on("a", concurrency=2.5)  # type: ignore[arg-type]


def test_all_problems_of_a_subscription_are_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        App("g").on("a", concurrency=0, timeout=-1)
    assert len(caught.value.problems) == 2


def test_a_message_names_the_line_of_the_users_file():
    line = line_here() + 2
    with pytest.raises(ConfigError) as caught:
        App("g").on("a", retry=3)  # type: ignore[arg-type]
    assert caught.value.problems == [
        f"on('a'): retry must be a Retry, as in Retry(attempts=3), not 3 ({__file__}:{line})"
    ]
    for wrong in (lambda: App(5), lambda: App("g", start="now"), lambda: Retry(attempts=0), lambda: Breaker(delay=0)):
        with pytest.raises(ConfigError) as caught:
            wrong()
        assert f" ({__file__}:" in caught.value.problems[0]


def line_here() -> int:
    return inspect.currentframe().f_back.f_lineno


def test_on_without_brackets_is_refused_with_the_correct_form():
    with pytest.raises(ConfigError, match=r'write @app\.on\("response\.completed"\) above <function .*handle'):

        @App("g").on
        async def handle(event): ...


@pytest.mark.parametrize("handler", [None, 5, "handle", classmethod(print)], ids=repr)
def test_an_object_that_is_not_callable_is_refused(handler):
    with pytest.raises(ConfigError, match="is not callable"):
        App("g").on("a")(handler)
