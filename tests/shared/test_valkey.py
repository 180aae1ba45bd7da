import contextlib
import os
import signal
import stat
import subprocess
import sys
import tempfile

import pytest

from hookbus.shared.valkey import InUseError, Valkey
from tests.deploy.processes import is_running
from tests.programs import ROOT
from tests.wait import PATIENCE_S, until

STARTED_BY_ANOTHER = """
import sys
from pathlib import Path
from hookbus.shared.valkey import Valkey
server = Valkey(Path(sys.argv[1])).start()
print(server.pid, flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def started_by_another(folder):
    """A process that runs a server over a folder and prints the server's pid as its first line."""
    command = [sys.executable, "-c", STARTED_BY_ANOTHER, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        tempfile.TemporaryDirectory() as folder_of_sockets,
        subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TMPDIR": folder_of_sockets}, **pipes) as process,
    ):
        yield process


@pytest.mark.needs("linux")  # whose kernel kills a child with its parent
async def test_the_server_dies_when_its_parent_is_killed(tmp_path):
    with started_by_another(tmp_path) as parent:
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        parent.kill()
    await until(lambda: not is_running(pid), timeout_s=5)


def test_the_server_ends_when_its_parent_ends_normally(tmp_path):
    with started_by_another(tmp_path) as parent:
        pid = int(parent.stdout.readline())
        parent.stdin.close()
        assert parent.wait(PATIENCE_S) == 0
    assert not is_running(pid)


def test_data_survive_a_kill_right_after_a_reply(tmp_path):
    for number in range(3):
        server = Valkey(tmp_path).start()
        with server.client() as client:
            assert client.llen("kept") == number
            client.rpush("kept", number)
        server.stop(signal.SIGKILL)
        server.close()


def test_it_can_be_stopped_and_started_again_at_the_same_address(tmp_path):
    server = Valkey(tmp_path).start()
    with server.client() as client:
        client.set("kept", 1)
        server.stop()
        server.start()
        assert client.get("kept") == b"1"
    server.close()


def test_a_second_server_over_the_same_folder_is_refused(tmp_path):
    first, second = Valkey(tmp_path).start(), Valkey(tmp_path)
    with pytest.raises(InUseError, match="another server runs over"):
        second.start()
    with first.client() as client:
        assert client.ping()
    first.close()
    second.start()
    second.close()


def test_a_server_without_its_parent_still_locks_its_folder(tmp_path):
    """Without a kernel that kills it with its parent, a second server must not write to the same file."""
    server, second = Valkey(tmp_path).start(), Valkey(tmp_path)
    server._lock.close()  # as the exit of the parent does
    with pytest.raises(InUseError):
        second.start()
    server.close()
    second.start()
    second.close()


def test_the_server_is_durable_by_default_and_evicts_nothing(tmp_path):
    server = Valkey(tmp_path).start()
    with server.client() as client:
        found = client.config_get("append*", "maxmemory-policy", "aof-use-rdb-preamble", "save")
    server.close()
    assert (found["appendonly"], found["appendfsync"]) == ("yes", "always")
    assert found["maxmemory-policy"] == "noeviction"
    assert found["aof-use-rdb-preamble"] == "no"


def test_the_server_has_no_tcp_port_and_a_socket_in_a_private_folder(tmp_path):
    server = Valkey(tmp_path).start()
    with server.client() as client:
        assert client.config_get("port") == {"port": "0"}
    assert server.url == f"unix://{server.socket}"
    assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700
    folder = server.socket.parent
    server.close()
    assert not folder.exists()


def test_the_socket_is_at_the_given_path_if_it_is_short_enough(tmp_path):
    server = Valkey(tmp_path, socket=tmp_path / "valkey.sock")
    assert server.socket == tmp_path / "valkey.sock"
    server.close()
    elsewhere = Valkey(tmp_path, socket=tmp_path / ("long" * 25) / "valkey.sock")
    assert len(str(elsewhere.socket)) < 100
    elsewhere.close()


def test_a_failed_start_raises_with_the_end_of_the_log(tmp_path):
    server = Valkey(tmp_path, appendfsync="sometimes")
    with pytest.raises(RuntimeError, match=r"(?s)did not start.*valkey\.log ends with"):
        server.start()
    server.close()
    assert "appendfsync" in (tmp_path / "valkey.log").read_text()
