import os
import sys

import pytest

from hookbus.worker.quarantine.launch import Launch


def test_what_belongs_to_systemd_is_not_passed_on(monkeypatch):
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("OWN", "1")
    environment = Launch.now(["a:b"]).environment
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS"} & environment.keys()
    assert environment["OWN"] == "1"


def test_the_start_is_recorded_before_the_apps_can_change_it(monkeypatch, tmp_path):
    launch = Launch.now(["a:b"])
    before = os.getcwd(), tuple(sys.path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("OWN", "1")
    assert (launch.folder, launch.import_path) == before
    assert "OWN" not in launch.environment


def test_secrets_in_the_environment_are_not_shown(monkeypatch):
    monkeypatch.setenv("OWN_SECRET", "hidden")
    assert "hidden" not in repr(Launch.now(["a:b"]))


def test_a_folder_that_is_gone_is_an_error_of_the_start(tmp_path, monkeypatch):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    launch = Launch.now(["a:b"])
    monkeypatch.chdir(tmp_path)
    folder.rmdir()
    with pytest.raises(OSError, match="gone"):
        launch.start(1)
