import asyncio

from hookbus.worker.cli import progress
from hookbus.worker.cli.progress import watched
from hookbus.worker.dlq.bulk import Tally, move_all
from tests.worker.dlq.test_bulk import batches, move


async def shown(count: int) -> Tally:
    def run(progressed):
        return move_all(batches(count, 2), move, rate=0, stopping=asyncio.Event(), progressed=progressed)

    return await watched(run, title=lambda: "redrive", total=count)


async def test_without_a_terminal_progress_is_a_line_on_stderr_from_time_to_time(monkeypatch, capsys):
    monkeypatch.setattr(progress, "REPORT_S", 0.0)
    assert await shown(4) == Tally(4)
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "redrive: 2 of 4\nredrive: 4 of 4\n")


async def test_a_short_command_prints_no_progress(capsys):
    assert await shown(4) == Tally(4)
    assert capsys.readouterr() == ("", "")
