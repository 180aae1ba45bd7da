"""A second Ctrl-C ends a program at once, whatever it is doing."""

import signal
import subprocess
import sys

import pytest

from tests.wait import PATIENCE_S

PROGRAM = """
import asyncio, sys, time
from hookbus.shared.command import run_service

async def main(stopping):
    print("ready", flush=True)
    if sys.argv[1] == "blocks":
        time.sleep(60)
    if sys.argv[1] == "computes":
        while True: pass
    await stopping.wait()
    print("stopping", flush=True)
    if sys.argv[1] == "drains":
        await asyncio.sleep(60)

run_service(main)
"""


@pytest.mark.parametrize("does", ["blocks", "computes", "drains"])
def test_a_second_ctrl_c_ends_the_program(does):
    with subprocess.Popen([sys.executable, "-c", PROGRAM, does], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        try:
            assert program.stdout.readline() == "ready\n"
            program.send_signal(signal.SIGINT)
            if does == "drains":
                assert program.stdout.readline() == "stopping\n"
            with pytest.raises(subprocess.TimeoutExpired):
                program.wait(0.3)
            program.send_signal(signal.SIGINT)
            assert program.wait(PATIENCE_S) == 130
        finally:
            program.kill()


def test_one_ctrl_c_is_a_stop():
    with subprocess.Popen([sys.executable, "-c", PROGRAM, "waits"], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        program.send_signal(signal.SIGINT)
        assert program.wait(PATIENCE_S) == 0
