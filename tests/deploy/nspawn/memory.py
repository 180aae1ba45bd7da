"""The check of `make test-systemd` that needs a memory limit: of a quarantine process that exceeds it."""

from tests.deploy.nspawn.container import Container
from tests.deploy.nspawn.installation import WORKER, lines, require, send


def a_quarantine_process_that_is_killed_for_its_memory_does_not_end_its_unit(box: Container) -> str:
    limits = "MemoryHigh=infinity\nMemoryMax=300M\nMemorySwapMax=0"
    box.write(f"/run/systemd/system/{WORKER}.d/memory.conf", f"[Service]\n{limits}\n")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", WORKER)
    box.until_active(WORKER)
    began = len(lines(box, "eaten"))
    send(box, "batch.failed")
    took = box.until(lambda: len(lines(box, "eaten")) == began + 5, "two workers and three quarantine processes", 120)
    box.until(lambda: "worker_lost" in box.journal(WORKER), "it is a dead letter")
    journal = box.journal(WORKER)
    require(box.show(WORKER, "NRestarts") == "2", journal[-3000:])
    require("signal 9" in journal and "oom-kill" not in journal, journal[-3000:])
    require(box.show(WORKER, "ActiveState") == "active", journal[-3000:])
    box.sh(f"rm -r '/run/systemd/system/{WORKER}.d'")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", WORKER)
    box.until_active(WORKER)
    cause = "killed itself, as there is no memory controller here" if lines(box, "unlimited") else "was OOM-killed"
    return f"it {cause}, three times within {took:.0f} s; the unit was restarted for the first two deaths alone"
