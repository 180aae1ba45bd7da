import asyncio
import socket

from structlog.testing import capture_logs

from hookbus.shared.command import Stopping
from hookbus.shared.listen import Listen
from hookbus.worker.console import run
from hookbus.worker.console.run import Console
from hookbus.worker.settings import WorkerSettings
from tests.wait import until


async def test_on_another_port_than_the_default_since_that_is_taken_it_warns(redis_url, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = Listen("127.0.0.1", taken.getsockname()[1])
        monkeypatch.setattr(run, "DEFAULT_CONSOLE_LISTEN", listen)
        stopping = Stopping()
        with capture_logs() as logs:
            console = Console(WorkerSettings(redis_url=redis_url, console_listen=listen), stopping)
            task = asyncio.create_task(console.run())
            await until(lambda: [log for log in logs if log["event"] == "console_port_taken"])
            stopping.set()
            await task
    (warning,) = [log for log in logs if log["event"] == "console_port_taken"]
    assert warning["log_level"] == "warning"
    assert warning["wanted"] == str(listen)
    assert warning["port"] != listen.port
