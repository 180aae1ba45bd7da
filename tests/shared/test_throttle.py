from hookbus.shared.throttle import Throttle


def test_a_throttled_kind_does_not_suppress_others(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("hookbus.shared.throttle.time.monotonic", lambda: now[0])
    throttle = Throttle()
    assert [throttle.suppressed("flood") for _ in range(8)] == [0] * 5 + [None] * 3
    assert throttle.suppressed("other") == 0
    now[0] += 1
    assert [throttle.suppressed("flood") for _ in range(2)] == [3, 0]
