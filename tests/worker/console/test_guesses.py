from hookbus.worker.console.guesses import ADDRESSES, MOST, WINDOW_S, Guesses


def test_after_ten_wrong_tokens_in_a_minute_none_is_looked_at_until_the_first_is_a_minute_old():
    guesses = Guesses()
    for i in range(MOST):
        assert guesses.wait_s("203.0.113.9", 100.0 + i) == 0
        guesses.add("203.0.113.9", 100.0 + i)
    assert guesses.wait_s("203.0.113.9", 110.0) == 50
    assert guesses.wait_s("203.0.113.8", 110.0) == 0
    assert guesses.wait_s("203.0.113.9", 100.0 + WINDOW_S) == 0
    guesses.add("203.0.113.9", 160.0)
    assert guesses.wait_s("203.0.113.9", 160.5) == 0.5


def test_a_subscriber_has_one_address_whatever_its_last_bits():
    guesses = Guesses()
    for i in range(MOST):
        guesses.add(f"2001:db8:0:1::{i:x}", 1.0)
    assert guesses.wait_s("2001:db8:0:1:ffff::1", 2.0) > 0
    assert guesses.wait_s("2001:db8:0:2::1", 2.0) == 0


def test_addresses_are_bounded_and_the_oldest_is_forgotten():
    guesses = Guesses()
    for i in range(ADDRESSES + 500):
        guesses.add(f"10.0.{i // 256}.{i % 256}", float(i))
    assert len(guesses._at_s) == ADDRESSES
    assert "10.0.0.0" not in guesses._at_s
