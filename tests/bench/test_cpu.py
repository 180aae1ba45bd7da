"""CPU time of processes, including our own."""

import os
import time

from tests.bench import cpu


def test_the_clock_of_a_pid_is_the_cpu_clock_of_that_process():
    before = time.process_time()
    found = cpu.seconds(os.getpid())
    assert before <= found <= time.process_time()


def test_cpu_time_is_counted_from_the_start_of_the_measurement():
    used = cpu.Used({"me": os.getpid()})
    began = time.process_time()
    while time.process_time() - began < 0.05:
        pass
    assert 50_000 <= used.so_far_us()["me"] < 5_000_000
