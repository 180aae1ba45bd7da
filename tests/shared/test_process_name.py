import os
import socket

import pytest

from hookbus.shared.keys import QUARANTINED, is_name
from hookbus.shared.process_name import new_name, place_of


def test_each_name_is_new_and_fit_for_a_key():
    names = {new_name() for _ in range(1000)}
    assert len(names) == 1000
    assert all(map(is_name, names))


def test_a_name_tells_host_and_pid_also_of_a_quarantine_process(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "node-1.example.org")
    for name in (new_name(), f"{new_name()}{QUARANTINED}"):
        assert place_of(name) == ("node-1.example.org", os.getpid())


@pytest.mark.parametrize("name", ["mine", "a.b", "a.b.c", ".1.aa", "", "handover"])
def test_a_name_that_hookbus_did_not_make_is_the_host(name):
    assert place_of(name) == (name, 0)
