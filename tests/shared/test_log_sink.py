import pytest
import structlog

from hookbus.shared.log_sink import Limiter


def test_the_limit_adds_the_suppressed_lines_of_a_throttled_caller(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("hookbus.shared.throttle.time.monotonic", lambda: now[0])
    limiter = Limiter()
    for _ in range(Limiter.PER_SECOND):
        limiter(None, "warning", {"event": "refused"})
    with pytest.raises(structlog.DropEvent):
        limiter(None, "warning", {"event": "refused"})
    now[0] += 1
    assert limiter(None, "warning", {"event": "refused", "suppressed": 7})["suppressed"] == 8
