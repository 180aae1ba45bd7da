"""The checks of `make test-systemd`, in this order: each function is a claim, and returns a summary of its evidence."""

import json
import re
import time
from collections.abc import Callable
from typing import Final

from tests.deploy.nspawn.console import (
    the_console_lets_in_whoever_has_a_token,
    the_console_shows_what_happened_to_everybody_on_this_machine,
)
from tests.deploy.nspawn.container import Container
from tests.deploy.nspawn.installation import (
    CONSOLE,
    EXPORTER,
    INGEST,
    SECRET,
    UNITS,
    URL,
    WORKER,
    install,
    lines,
    metrics,
    put_secret,
    require,
    restarts,
    send,
)
from tests.deploy.nspawn.memory import a_quarantine_process_that_is_killed_for_its_memory_does_not_end_its_unit
from tests.deploy.nspawn.secrets import (
    a_reload_takes_a_new_secret_and_a_bad_one_changes_nothing,
    credentials_and_secrets_are_unreadable_to_other_users,
)
from tests.programs import ROOT

MAX_EXPOSED: Final = 1.5

Check = Callable[[Container], str]


def it_installs_and_installing_again_changes_no_configuration(box: Container) -> str:
    install(box)
    put_secret(box, "first", SECRET)
    box.write("/etc/hookbus/ingest.env", "HOOKBUS_LOG_LEVEL=debug\n")
    before = box.sh("find /etc/hookbus -type f -exec sha256sum {} + | sort")
    output = install(box)
    require(box.sh("find /etc/hookbus -type f -exec sha256sum {} + | sort") == before, "configuration changed")
    box.sh("rm /etc/hookbus/ingest.env")
    handlers = (ROOT / "tests/deploy/nspawn/handlers.py").read_text()
    box.write("/srv/hookbus/shop.py", handlers)
    box.run("systemctl", "enable", *UNITS)
    return output.splitlines()[-1]


def an_upgrade_repairs_programs_whose_python_is_gone_and_reports_conflicts(box: Container) -> str:
    packages = box.sh("echo /opt/hookbus/lib/python3.*/site-packages")
    metadata = "Metadata-Version: 2.1\nName: shop\nVersion: 1\nRequires-Dist: aiohttp<3\n"
    box.write(f"{packages}/shop-1.dist-info/METADATA", metadata)
    box.sh("ln -sfn /usr/bin/python3.0 /opt/hookbus/bin/python3 && rm /etc/systemd/system/hookbus.target")
    output = install(box)
    require("install your handlers' packages again" in output and "shop 1 has requirement aiohttp<3" in output, output)
    box.sh(f"test -f /etc/systemd/system/hookbus.target && rm -r {packages}/shop-1.dist-info")
    box.run("hookbus-ingest", "--help")
    return "; ".join(output.splitlines()[1:])


def the_units_are_valid_and_their_exposure_is_bounded(box: Container) -> str:
    box.sh("systemd-analyze verify $(find /etc/systemd/system -maxdepth 1 -type f -name 'hookbus*')")
    found = []
    for unit in (INGEST, WORKER, EXPORTER, CONSOLE):
        last = box.run("systemd-analyze", "security", "--no-pager", unit).splitlines()[-1]
        exposure = float(re.search(r"([\d.]+) \w+ \S*$", last)[1])  # type: ignore[index]
        require(exposure <= MAX_EXPOSED, last)
        found.append(f"{unit} {exposure}")
    return ", ".join(found)


def it_is_not_ready_before_redis_is_healthy_and_is_then_started_in_order(box: Container) -> str:
    box.sh("systemctl stop redis-server")
    for unit in (INGEST, WORKER):  # far less than the wait: the programs request extensions
        box.write(f"/run/systemd/system/{unit}.d/start.conf", "[Service]\nTimeoutStartSec=15s\n")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "start", "--no-block", "redis-server.service", "hookbus.target")
    box.until(lambda: "appendonly" in box.show(INGEST, "StatusText"), "ingest reports the setting that it waits for")
    status = box.show(INGEST, "StatusText")
    time.sleep(20)
    require(box.show(INGEST, "ActiveState") == "activating", box.show(INGEST, "ActiveState"))
    require(set(restarts(box).values()) == {"0"}, restarts(box))
    box.sh("redis-cli config set appendonly yes && redis-cli config set appendfsync always && redis-cli config rewrite")
    for unit in (INGEST, WORKER):
        box.until_active(unit)
    started = {
        unit: int(box.show(unit, "ExecMainStartTimestampMonotonic"))
        for unit in ("redis-server.service", INGEST, WORKER)
    }
    ready = int(box.show("redis-server.service", "ActiveEnterTimestampMonotonic"))
    listening = int(box.show("hookbus-ingest.socket", "ActiveEnterTimestampMonotonic"))
    require(ready <= started[INGEST] and ready <= started[WORKER], (ready, started))
    require(listening <= started[INGEST], (listening, started))
    box.sh("rm -r /run/systemd/system/hookbus-*.d && systemctl daemon-reload")
    return f'"{status}"; then redis-server before ingest and worker, the socket before ingest'


def events_go_through_it_and_nothing_in_the_sandbox_breaks(box: Container) -> str:
    send(box, "*")
    send(box, "response.completed", "--count", "200", "--duplicate")
    box.until(lambda: len(ids(box)) >= 201, "201 events handled")
    box.until(lambda: bool(lines(box, "ended")), "an event handled in a thread")
    require(len(ids(box)) == 201, len(ids(box)))
    for unit in (INGEST, WORKER, EXPORTER, CONSOLE):
        journal = box.journal(unit)
        require("Traceback" not in journal and '"level": "error"' not in journal, journal[-3000:])
    figures = metrics(box, 9464)
    require('hookbus_ingest_secret_matches_total{secret="0",source="openai"}' in figures, figures[-2000:])
    box.until_active(EXPORTER)
    # `batch.failed` ends the worker twice. What follows needs one that stays.
    box.until(lambda: "worker_lost" in box.journal(WORKER), "batch.failed is a dead letter", 120)
    box.until_active(WORKER)
    one_alive = 'hookbus_consumers_alive{group="orders"} 1.0'
    box.until(lambda: one_alive in metrics(box, 9466), "the exporter counts one consumer")
    return f"{len(ids(box))} events of one type, 200 of them sent twice, and one of each other type"


def ids(box: Container) -> set[str]:
    """The events of one type that were handled; some twice, as `batch.failed` ends the worker that has them in hand."""
    return {line.split()[0] for line in lines(box, "handled")}


def the_sandbox_is_in_force(box: Container) -> str:
    box.until(lambda: bool(lines(box, "probed")), "the handler that probes the sandbox")
    found = lines(box, "probed")
    require(len(found) == 7 and all(line.endswith("refused") for line in found), found)
    for unit in (INGEST, WORKER):
        status = box.sh(f"cat /proc/{box.show(unit, 'MainPID')}/status")
        for line in ("NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"):
            require(line in status, (unit, line, status))
        require(int(box.show(unit, "MemoryMax")) > 0, unit)
        user = box.sh(f"stat -c %U /proc/{box.show(unit, 'MainPID')}")
        require(user == unit.split("@")[0].removesuffix(".service"), (unit, user))
    return "; ".join(found)


def a_restart_of_all_under_load_refuses_no_request(box: Container) -> str:
    box.sh("rm -f /run/stop")
    box.write("/root/load.py", (ROOT / "tests/deploy/nspawn/load.py").read_text())
    load = box.start("/opt/hookbus/bin/python", "/root/load.py", URL, SECRET, "/run/stop")
    took = []
    for _ in range(3):
        time.sleep(1)
        before = {box.show(unit, "MainPID") for unit in (INGEST, WORKER, EXPORTER, CONSOLE)}
        began = time.monotonic()
        box.run("systemctl", "restart", "hookbus.target")  # as after an upgrade
        took.append(time.monotonic() - began)
        after = {box.show(unit, "MainPID") for unit in (INGEST, WORKER, EXPORTER, CONSOLE)}
        require(before.isdisjoint(after), before & after)
    time.sleep(1)
    box.sh("touch /run/stop")
    counts = json.loads(load.communicate(timeout=60)[0].splitlines()[-1])
    require(set(counts) == {"200 accepted"} and counts["200 accepted"] > 100, counts)
    return f"3 restarts of {max(took):.1f} s at most, {counts['200 accepted']} posts, all of them 200"


def an_unreachable_redis_ends_no_program(box: Container) -> str:
    before = restarts(box)
    box.sh("systemctl stop redis-server")
    box.until(lambda: "503" in box.show(INGEST, "StatusText"), "ingest reports it")
    status = box.show(INGEST, "StatusText")
    time.sleep(40)  # longer than WatchdogSec
    require(restarts(box) == before, (before, restarts(box)))
    box.sh("systemctl start redis-server")
    box.until(lambda: box.show(INGEST, "StatusText").startswith("ready"), "ready again")
    return f'40 s without it; "{status}"'


def a_worker_that_hangs_is_killed_by_the_watchdog_and_started_again(box: Container) -> str:
    limits = "WatchdogSec=6s\nEnvironment=HOOKBUS_WORKER_HANDLER_TIMEOUT_S=3"
    box.write(f"/run/systemd/system/{WORKER}.d/watchdog.conf", f"[Service]\n{limits}\n")
    box.sh("sed -i 's/timeout=30/timeout=4/' /srv/hookbus/shop.py")  # so that blocking for 14 s is too long
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", WORKER)
    box.sh("redis-cli set test:hang 1")
    pid, hung = box.show(WORKER, "MainPID"), len(lines(box, "hung"))
    send(box, "response.failed")
    took = box.until(lambda: box.show(WORKER, "NRestarts") != "0", "the watchdog")
    box.until_active(WORKER)
    box.until(lambda: len(lines(box, "hung")) > hung, "the event is handled by the next process")
    journal = box.journal(WORKER)
    require("Watchdog timeout" in journal, journal[-3000:])
    require("the event loop has not turned" in journal and 'shop.py", line' in journal, journal[-3000:])
    require(box.show(WORKER, "MainPID") != pid, "the same process")
    box.sh(f"rm -r '/run/systemd/system/{WORKER}.d' && sed -i 's/timeout=4/timeout=30/' /srv/hookbus/shop.py")
    box.run("systemctl", "daemon-reload")
    return f"after {took:.0f} s, with the line of the handler in the journal; its event was handled afterwards"


def a_stop_finishes_what_runs_within_the_grace_period(box: Container) -> str:
    box.run("systemctl", "restart", WORKER)
    box.sh("redis-cli set test:seconds 8")
    began, ended = len(lines(box, "began")), len(lines(box, "ended"))
    send(box, "response.cancelled")
    box.until(lambda: len(lines(box, "began")) > began, "a delivery runs")
    took = {}
    for unit in (WORKER, INGEST):
        start = time.monotonic()
        box.run("systemctl", "stop", unit)
        took[unit] = time.monotonic() - start
        require(
            (box.show(unit, "Result"), box.show(unit, "ExecMainStatus")) == ("success", "0"), box.journal(unit)[-2000:]
        )
    require(len(lines(box, "ended")) == ended + 1, "the running delivery was cut off")
    require(4 < took[WORKER] < 40 and took[INGEST] < 20, took)
    box.run("systemctl", "start", "hookbus.target")
    for unit in (INGEST, WORKER):
        box.until_active(unit)
    return f"worker {took[WORKER]:.1f} s with a handler of 8 s, ingest {took[INGEST]:.1f} s"


def a_second_process_and_a_wrong_configuration(box: Container) -> str:
    box.write("/etc/hookbus/workers/orders-2.env", "APPS=shop:orders\nOPTIONS=--only response.*\n")
    box.run("systemctl", "start", "hookbus-worker@orders-2.service")
    box.run("systemctl", "start", "hookbus-worker@no.such:app.service", is_expected=False)
    time.sleep(3)
    require(box.show("hookbus-worker@no.such:app.service", "NRestarts") == "0", "a wrong configuration was tried again")
    require(box.show("hookbus-worker@no.such:app.service", "ExecMainStatus") == "78", "another exit code")
    box.write("/srv/hookbus/away.py", "raise OSError('no database')\n")
    box.run("systemctl", "start", "--no-block", "hookbus-worker@away:app.service")
    box.until(
        lambda: int(box.show("hookbus-worker@away:app.service", "NRestarts")) > 1, "a transient failure is tried again"
    )
    box.run("systemctl", "stop", "hookbus-worker@away:app.service")
    # On one machine a death is detected at once, if the sandbox lets a worker look at the pid of the other.
    box.sh("redis-cli set test:seconds 29")
    began = len(lines(box, "began"))
    box.run("systemctl", "stop", WORKER)
    send(box, "response.cancelled")
    box.until(lambda: len(lines(box, "began")) == began + 1, "the second process runs it")
    box.run("systemctl", "start", WORKER)
    box.sh("redis-cli set test:seconds 0")
    box.run("systemctl", "kill", "-s", "KILL", "hookbus-worker@orders-2.service")
    took = box.until(lambda: len(lines(box, "began")) == began + 2, "the takeover", 20)
    require(took < 6, took)  # far less than the TTL of a liveness key
    box.run("systemctl", "stop", "hookbus-worker@orders-2.service")
    return f"the first took over from the killed second after {took:.1f} s; exit 1 is tried again, exit 78 is not"


def uninstalling_leaves_configuration_and_nothing_else(box: Container) -> str:
    output = box.run("/root/deploy/systemd/install.sh", "--uninstall")
    require(box.sh("systemctl list-units --plain --no-legend --state=active 'hookbus*'") == "", "something still runs")
    require(box.sh("find /etc/systemd /run/systemd/system -name '*hookbus*'") == "", "units remain")
    require(
        box.sh("systemctl list-units --all --plain --no-legend 'hookbus*' | grep -v not-found || :") == "",
        "still loaded",
    )
    box.sh("test -f /etc/hookbus/secrets/openai/second && test ! -e /opt/hookbus")
    require(box.sh("ls /usr/local/bin") == "", "commands remain")
    return output.splitlines()[-1]


CHECKS: Final[tuple[Check, ...]] = (
    it_installs_and_installing_again_changes_no_configuration,
    an_upgrade_repairs_programs_whose_python_is_gone_and_reports_conflicts,
    the_units_are_valid_and_their_exposure_is_bounded,
    it_is_not_ready_before_redis_is_healthy_and_is_then_started_in_order,
    events_go_through_it_and_nothing_in_the_sandbox_breaks,
    the_sandbox_is_in_force,
    credentials_and_secrets_are_unreadable_to_other_users,
    a_reload_takes_a_new_secret_and_a_bad_one_changes_nothing,
    the_console_shows_what_happened_to_everybody_on_this_machine,
    the_console_lets_in_whoever_has_a_token,
    a_restart_of_all_under_load_refuses_no_request,
    an_unreachable_redis_ends_no_program,
    a_worker_that_hangs_is_killed_by_the_watchdog_and_started_again,
    a_quarantine_process_that_is_killed_for_its_memory_does_not_end_its_unit,
    a_stop_finishes_what_runs_within_the_grace_period,
    a_second_process_and_a_wrong_configuration,
    uninstalling_leaves_configuration_and_nothing_else,
)
