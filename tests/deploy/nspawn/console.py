"""Checks of `make test-systemd` about the console, as in checks.py."""

from typing import Final

from tests.deploy.nspawn.container import Container
from tests.deploy.nspawn.installation import CONSOLE, fetch, require

ADDRESS: Final = "http://127.0.0.1:9467"
TOKEN: Final = "token-of-the-tests-0123456789"
CREDENTIALS: Final = "/etc/hookbus/credentials"


def the_console_shows_what_happened_to_everybody_on_this_machine(box: Container) -> str:
    box.until_active(CONSOLE)
    page = fetch(box, f"{ADDRESS}/processes")
    require("orders" in page and "console@" in page, page)
    figures = fetch(box, f"{ADDRESS}/metrics")
    require("hookbus_console_redis_up 1.0" in figures, figures[-2000:])
    status = box.sh(f"cat /proc/{box.show(CONSOLE, 'MainPID')}/status")
    for line in ("NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"):
        require(line in status, (line, status))
    return f'"{box.show(CONSOLE, "StatusText")}", without tokens: console_viewers and console_operators are empty'


def the_console_lets_in_whoever_has_a_token(box: Container) -> str:
    box.sh("cp /etc/hookbus/hookbus.toml /root/before.toml")
    before = box.show(CONSOLE, "NRestarts")
    tokens = '{operator = ["credential:console_operators"]}'
    box.sh(f"printf '%s\\n' 'console_auth = \"token\"' 'console_tokens = {tokens}' >> /etc/hookbus/hookbus.toml")
    box.run("systemctl", "restart", CONSOLE, is_expected=False)
    require(box.show(CONSOLE, "ExecMainStatus") == "78", "without a token nobody could log in")
    require("credential:console_operators is empty" in box.journal(CONSOLE), box.journal(CONSOLE)[-2000:])
    box.run("sh", "-c", f"install -m 600 /dev/stdin {CREDENTIALS}/console_operators", given=TOKEN)
    box.run("systemctl", "restart", CONSOLE)
    require("operator token 1" in fetch(box, f"{ADDRESS}/login", f"token={TOKEN}&to=%2F"), "the token lets nobody in")
    require("operator token 1" not in fetch(box, f"{ADDRESS}/"), "it lets in others, too")
    for user in ("nobody", "hookbus-ingest"):
        for path in (f"{CREDENTIALS}/console_operators", f"/run/credentials/{CONSOLE}/console_operators"):
            box.run("setpriv", f"--reuid={user}", "--clear-groups", "--regid=nogroup", "cat", path, is_expected=False)
    require(box.show(CONSOLE, "NRestarts") == before, "a wrong configuration was tried again")
    box.sh(f"cp /root/before.toml /etc/hookbus/hookbus.toml && rm {CREDENTIALS}/console_operators")
    box.run("systemctl", "restart", CONSOLE)
    return "exit 78 while the file is empty; then the token opens it, and no other user can read it"
