"""hookbus as installed in the container: its paths and units, and helpers of the checks."""

from typing import Final

from tests.deploy.nspawn.container import Container

SECRET: Final = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0cy1vZi1ob29rYnVz"
OTHER: Final = "whsec_" + "YW5vdGhlci1zZWNyZXQtb2YtdGhlLXRlc3Rz"
URL: Final = "http://127.0.0.1:8080/webhooks/openai"
INGEST: Final = "hookbus-ingest.service"
WORKER: Final = "hookbus-worker@shop:orders.service"
EXPORTER: Final = "hookbus-exporter.service"
CONSOLE: Final = "hookbus-console.service"
UNITS: Final = ("hookbus.target", "hookbus-ingest.socket", INGEST, WORKER, EXPORTER, CONSOLE)
STATE: Final = "/var/lib/hookbus-worker"

FETCH: Final = """
import sys, urllib.error, urllib.request as u
url, form = sys.argv[1:]
opener = u.build_opener(u.HTTPCookieProcessor())
try:
    answer = opener.open(u.Request(url, form.encode() or None, {"Sec-Fetch-Site": "same-origin"}))
except urllib.error.HTTPError as refusal:
    answer = refusal
print(answer.read().decode())
"""


class WrongError(Exception):
    """A claim does not hold."""


def require(claim: bool, details: object) -> None:
    """Raises WrongError unless the claim holds."""
    if not claim:
        raise WrongError(str(details))


def install(box: Container) -> str:
    """Run the install script; returns its output."""
    # The container has no network: the packages were downloaded outside, with the same hashes.
    return box.sh("PIP_NO_INDEX=1 PIP_FIND_LINKS=/root/wheels /root/deploy/systemd/install.sh /root/dist/*.whl")


def put_secret(box: Container, name: str, secret: str) -> None:
    """Write a secret of the source to a file of that name, by a rename."""
    folder = "/etc/hookbus/secrets/openai"
    script = f"install -m 640 -g hookbus-ingest /dev/stdin {folder}/.new && mv {folder}/.new {folder}/{name}"
    box.run("sh", "-c", script, given=secret)


def reload(box: Container, event: str) -> None:
    """Reload, and wait for the log event: systemctl may return before ingest has notified systemd of the reload."""
    count = f'"event": "{event}"'
    before = box.journal(INGEST).count(count)
    box.run("systemctl", "reload", INGEST)
    box.until(lambda: box.journal(INGEST).count(count) > before, f"ingest logs {event}")
    box.until_active(INGEST)


def send(box: Container, *arguments: str, is_expected: bool = True) -> str:
    """Post an event; returns the output of the tool."""
    return box.run("hookbus-ingest", "send", *arguments, is_expected=is_expected)


def lines(box: Container, name: str) -> list[str]:
    """The lines that handlers recorded."""
    return box.sh(f"cat {STATE}/{name} 2>/dev/null || :").splitlines()


def restarts(box: Container) -> dict[str, str]:
    """The number of restarts of each program by systemd."""
    return {unit: box.show(unit, "NRestarts") for unit in (INGEST, WORKER, EXPORTER, CONSOLE)}


def metrics(box: Container, port: int) -> str:
    """The metrics on a port."""
    return fetch(box, f"http://127.0.0.1:{port}/metrics")


def fetch(box: Container, url: str, form: str = "") -> str:
    """The page that a browser gets, cookies and redirects followed; with `form`, what a page of ours posts."""
    return box.run("/opt/hookbus/bin/python", "-c", FETCH, url, form)
