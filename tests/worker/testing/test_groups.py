from datetime import datetime

import pytest

from hookbus import App
from hookbus.shared.settings import ConfigError
from hookbus.testing import Bus
from hookbus.worker.testing.groups import LIFESPANS, groups_of
from tests.worker.testing.handlers import Handler, an_app


@pytest.mark.parametrize("apps", [[], None, "billing", [an_app(Handler()), None]])
def test_a_bus_of_no_app_is_refused(apps):
    with pytest.raises((ValueError, TypeError)):
        Bus(apps)


def test_what_a_worker_refuses_at_its_start_is_refused():
    with pytest.raises(ConfigError, match="no subscriptions"):
        Bus(App("billing"))


@pytest.mark.parametrize("options", [{"timeout": 0}, {"timeout": float("nan")}, {"now": datetime(2026, 1, 1)}], ids=str)
def test_options_without_a_meaning_are_refused(options):
    with pytest.raises(ValueError, match=r"timeout=|now="):
        Bus(an_app(Handler()), **options)


def test_a_timeout_of_the_test_takes_the_place_of_all_others():
    app = an_app(Handler(), timeout=5)
    app.on("batch.*")(Handler())
    assert [route.timeout_s for route in groups_of(app, LIFESPANS, None)["billing"].routes] == [5, 30]
    assert [route.timeout_s for route in groups_of(app, LIFESPANS, 0.1)["billing"].routes] == [0.1, 0.1]
    assert groups_of([app, app], LIFESPANS, None).keys() == {"billing"}
