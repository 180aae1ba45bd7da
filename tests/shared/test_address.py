from hookbus.shared.address import Address, redacted


def test_a_password_never_appears_in_a_redacted_url():
    assert redacted("redis://:hunter2@host:1/0") == "redis://:***@host:1/0"
    assert redacted("rediss://user:p%2Fq@host") == "rediss://user:***@host"
    assert redacted("redis://user:pa:ss@host/0?a=b@c") == "redis://user:***@host/0?a=b@c"
    assert redacted("redis://u:p@ss@host") == "redis://u:***@host"
    assert redacted("unix://u:p:w@/run/x") == "unix://u:***@/run/x"
    assert redacted("redis://u:p/q#r@host/0") == "redis://u:***@host/0"
    assert redacted("redis://u:p@q/r@host/0?a=b@c") == "redis://u:***@host/0?a=b@c"
    assert redacted("unix://u:p/q@/run/x") == "unix://u:***@/run/x"
    assert redacted("unix:///run/a:b@c") == "unix:///run/a:b@c"
    assert redacted("redis://host:1/0?password=p@q") == "redis://host:1/0?password=***"
    assert redacted("redis://host:1/0") == "redis://host:1/0"
    assert redacted("unix:///tmp/a.sock") == "unix:///tmp/a.sock"


def test_connections_that_leave_the_same_server_start_one_new_epoch():
    address = Address("redis://host")
    first = address.epoch
    address.leave(first)
    address.leave(first)
    assert address.epoch == first + 1
    address.leave(address.epoch)
    assert address.epoch == first + 2
