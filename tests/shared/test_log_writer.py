"""A writer on a real pipe; tests of process exits run processes of their own."""

import os
import subprocess
import sys
import threading
import time

import pytest

from hookbus.shared.log_writer import MAX_WAITING_BYTES, Writer
from tests.wait import PATIENCE_S, until

LINE = "x" * 999 + "\n"


@pytest.fixture
def pipe():
    read_end, write_end = os.pipe()
    yield read_end, write_end
    os.close(read_end)
    os.close(write_end)


def read_in_background(descriptor: int) -> list[bytes]:
    parts: list[bytes] = []
    own = os.dup(descriptor)  # the test may end and close the pipe before the thread ends

    def read() -> None:
        try:
            while part := os.read(own, 65536):
                parts.append(part)
                if part.endswith(b"the last one\n"):
                    return
        finally:
            os.close(own)

    threading.Thread(target=read, daemon=True).start()
    return parts


def test_lines_are_written_in_order(pipe):
    writer = Writer(pipe[1], print)
    for number in range(100):
        writer.write(f"{number}\n")
    writer.flush()
    assert os.read(pipe[0], 65536).decode().split() == [str(number) for number in range(100)]


def test_lines_are_written_although_the_interpreter_starts_no_more_threads(pipe, monkeypatch):
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    writer = Writer(pipe[1], print)
    writer.write("first\n")
    writer.write("second\n")
    began = time.monotonic()
    writer.flush()
    assert time.monotonic() - began < 1
    assert os.read(pipe[0], 65536) == b"first\nsecond\n"


def test_a_limit_of_threads_delays_lines_and_blocks_nothing(pipe, monkeypatch):
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    writer = Writer(pipe[1], print)
    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", refuse)
        writer.write("first\n")
    writer.write("second\n")
    writer.flush()
    assert os.read(pipe[0], 65536) == b"first\nsecond\n"


async def test_an_unread_pipe_blocks_nothing_and_dropped_lines_are_counted(pipe):
    dropped: list[int] = []
    writer = Writer(pipe[1], dropped.append)
    count = 2 * MAX_WAITING_BYTES // len(LINE)
    for _ in range(count):
        writer.write(LINE)  # a write that waited would never return
    found = read_in_background(pipe[0])
    await until(lambda: dropped)
    writer.flush(20)
    writer.write("the last one\n")
    await until(lambda: b"".join(found).endswith(b"the last one\n"))
    written = b"".join(found).count(b"\n") - 1
    assert written < count
    assert written + sum(dropped) == count


def test_flush_respects_its_timeout(pipe):
    writer = Writer(pipe[1], print)
    for _ in range(200):
        writer.write(LINE)
    began_s = time.monotonic()
    writer.flush(0.05)
    assert time.monotonic() - began_s < 10
    read_in_background(pipe[0])  # so that the thread of the writer can end
    writer.flush(20)


def test_a_nonblocking_descriptor_gets_every_line_complete(pipe):
    os.set_blocking(pipe[1], False)
    writer = Writer(pipe[1], print)
    for _ in range(500):
        writer.write(LINE)
    found = read_in_background(pipe[0])
    writer.write("the last one\n")
    writer.flush(20)
    while not b"".join(found).endswith(b"the last one\n"):
        time.sleep(0.01)
    assert b"".join(found) == LINE.encode() * 500 + b"the last one\n"


async def test_a_closed_pipe_is_no_error_and_dropped_lines_are_counted():
    read_end, write_end = os.pipe()
    os.close(read_end)
    writer = Writer(write_end, print)
    writer.write(LINE)
    writer.flush(20)
    assert writer._dropped == 1
    os.close(write_end)


@pytest.mark.parametrize(
    "end",
    ["", "sys.exit(3)", "1 / 0", "command.end_now(3)", "os.fork() or (log.get('child').info('forked'), os._exit(0))"],
)
def test_the_last_lines_of_a_program_are_written_however_it_ends(end):
    program = f"""
import os, sys
from hookbus.shared import command, log
log.configure("info")
for number in range(50):
    log.get("test").info("stored", number=number, group=str(number))
{end}
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.stderr.count('"event": "stored"') == 50
    assert done.stderr.count('"event": "forked"') == ("fork" in end)


def test_a_child_that_was_forked_while_the_parent_wrote_logs_and_ends(pipe):
    writer = Writer(pipe[1], print)
    for _ in range(200):
        writer.write(LINE)  # more than the pipe holds: the thread is in the middle of a write
    os.set_blocking(pipe[0], True)
    inner, outer = os.pipe()
    child = os.fork()
    if child == 0:
        writer._descriptor = outer
        writer.write("of the child\n")
        writer.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(inner, 100) == b"of the child\n"
    read_in_background(pipe[0])
    writer.flush(20)
    os.close(inner)
    os.close(outer)
