"""Checks of `make test-systemd` about secrets and credentials, as in checks.py."""

from tests.deploy.nspawn.container import Container
from tests.deploy.nspawn.installation import INGEST, OTHER, SECRET, URL, WORKER, put_secret, reload, require, send


def credentials_and_secrets_are_unreadable_to_other_users(box: Container) -> str:
    looks = 0
    for user in ("nobody", "redis", "hookbus-worker"):
        for path in (
            "/etc/hookbus/credentials/redis_url",
            f"/run/credentials/{INGEST}/redis_url",
            "/etc/hookbus/secrets/openai/first",
            "/etc/hookbus/workers/example.env",
        ):
            box.run("setpriv", f"--reuid={user}", "--clear-groups", "--regid=nogroup", "cat", path, is_expected=False)
            looks += 1
    as_ingest = ("setpriv", "--reuid=hookbus-ingest", "--regid=hookbus-ingest", "--clear-groups", "cat")
    require(box.run(*as_ingest, "/etc/hookbus/secrets/openai/first") == SECRET, "its own user can't read the secret")
    box.run(*as_ingest, f"/run/credentials/{WORKER}/redis_url", is_expected=False)
    box.run(*as_ingest, "/etc/hookbus/credentials/redis_url", is_expected=False)
    return f"{looks + 2} reads by other users, all refused"


def a_reload_takes_a_new_secret_and_a_bad_one_changes_nothing(box: Container) -> str:
    new = ("response.completed", "--url", URL, "--secret", OTHER)
    old = ("response.completed", "--url", URL, "--secret", SECRET)
    send(box, *new, is_expected=False)
    pid = box.show(INGEST, "MainPID")
    put_secret(box, "second", OTHER)
    reload(box, "reloaded")
    send(box, *new)
    send(box, *old)
    put_secret(box, "second", "v1,whsec_nonsense")
    reload(box, "reload_refused")
    send(box, *new)
    require((box.show(INGEST, "MainPID"), box.show(INGEST, "ActiveState")) == (pid, "active"), "not the same process")
    box.sh("cd /etc/hookbus/secrets/openai && mv first second")
    box.until(lambda: box.journal(INGEST).count("secrets_changed") >= 2, "detected without a signal", 15)
    send(box, *new, is_expected=False)
    send(box, *old)
    return "new secret: 200; invalid one: the old ones remain valid; removed one: 401 within seconds, without a signal"
