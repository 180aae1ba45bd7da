"""The console behind oauth2-proxy: deploy/OAUTH2_PROXY.md, its configuration and the component of Kubernetes.

oauth2-proxy itself is not here: `Proxy` sets and removes the headers that it does by these options.
"""

import json
import re
import shlex
import tomllib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import kubernetes_validate
import pytest
import yaml
from aiohttp import web
from compose_spec import PyCompose

from hookbus.worker.settings import WorkerSettings, load_settings
from tests.deploy import manifests
from tests.deploy.installed import run
from tests.deploy.manifests import FOLDER, Object, named, of_kind
from tests.deploy.network import Peer, may
from tests.programs import BIN, ROOT, Program

PAGE = (ROOT / "deploy/OAUTH2_PROXY.md").read_text()
COMPONENT = FOLDER / "components/oauth2-proxy"
CONFIG = tomllib.loads((COMPONENT / "oauth2-proxy.cfg").read_text())
HOST = "console.example.com"
OPTIONS = frozenset(
    {"allowed_groups", "api_routes", "client_id", "client_secret_file", "code_challenge_method", "config"}
    | {"cookie_expire", "cookie_name", "cookie_samesite", "cookie_secret_file", "cookie_secure", "email_domains"}
    | {"http_address", "https_address", "oidc_groups_claim", "oidc_issuer_url", "pass_host_header", "pass_user_headers"}
    | {"prefer_email_to_user", "provider", "redirect_url", "reverse_proxy", "scope", "session_cookie_minimal"}
    | {"skip_auth_strip_headers", "skip_provider_button", "tls_cert_file", "tls_key_file", "upstreams"}
)
"""Options that oauth2-proxy has (https://oauth2-proxy.github.io/oauth2-proxy/configuration/overview); one that may be
given several times is plural in the file."""


def block(language: str) -> str:
    """The only block of a language on the page."""
    [text] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


@pytest.fixture
def objects(tmp_path) -> list[Object]:
    """The production overlay with the component, added as the page says."""
    return manifests.with_component("oauth2-proxy", manifests.copy(tmp_path))


def containers(objects: list[Object]) -> dict[str, Object]:
    """The containers of the console's pod, by name."""
    spec = manifests.pod(named(objects, "Deployment", "hookbus-console"))
    return {each["name"]: each for each in spec["containers"]}


def environment(objects: list[Object]) -> dict[str, str]:
    """What the console's container is told beside its file."""
    return {each["name"]: each["value"] for each in containers(objects)["console"]["env"]}


def settings(source: str, tmp_path: Path, objects: list[Object]) -> WorkerSettings:
    """The settings of the console on one machine, in Compose and on Kubernetes."""
    file = tmp_path / "hookbus.toml"
    environ: dict[str, str] = {}
    if source == "machine":
        file.write_text(block("toml"))
    elif source == "compose":
        file.write_text("")
        environ = yaml.safe_load(block("yaml"))["services"]["console"]["environment"]
    else:
        text = re.sub(r"^redis_url.*$", "", manifests.settings_file(objects), flags=re.MULTILINE)
        file.write_text(text)
        environ = environment(objects)
    return load_settings(file, environ)


@pytest.mark.parametrize("source", ["machine", "compose", "kubernetes"])
def test_the_settings_agree_with_the_configuration(source, tmp_path, objects):
    console = settings(source, tmp_path, objects)
    assert console.console_auth == "header"
    assert console.console_trusted_proxies == ("127.0.0.1",), "a wider network could name anybody"
    assert console.console_hosts == (HOST,)
    groups = {group for names in console.console_groups.values() for group in names}
    assert (set(console.console_groups), groups) == ({"viewer", "operator"}, set(CONFIG["allowed_groups"]))
    [upstream] = CONFIG["upstreams"]
    assert urlsplit(upstream).netloc == f"127.0.0.1:{console.console_listen.port}"
    assert f"oif lo tcp dport {console.console_listen.port} meta skuid" in block("nft")


def test_every_option_exists_and_the_headers_are_those_that_the_console_reads():
    args = re.findall(r"--([a-z-]+)=", PAGE.partition("## On Kubernetes")[0].replace("--from-literal", ""))
    args += re.findall(r"--([a-z-]+)=", (COMPONENT / "sidecar.yaml").read_text())
    assert {arg.replace("-", "_") for arg in args} | set(CONFIG) <= OPTIONS
    for option in ("pass_user_headers", "skip_auth_strip_headers", "pass_host_header", "prefer_email_to_user"):
        assert CONFIG[option] is True
    assert urlsplit(CONFIG["redirect_url"])[:3] == ("https", HOST, "/oauth2/callback")
    assert CONFIG["cookie_name"].startswith("__Host-")
    assert CONFIG["cookie_secure"] is True


def test_compose_accepts_the_services_and_they_share_a_loopback():
    services = yaml.safe_load(block("yaml"))["services"]
    PyCompose.from_json(json.dumps({"services": services})).validate()
    assert services["oauth2-proxy"]["network_mode"] == "service:console"
    assert services["oauth2-proxy"]["image"] in (COMPONENT / "sidecar.yaml").read_text()
    ours = yaml.safe_load((ROOT / "deploy/container/compose.yaml").read_text())["x-hookbus"]
    assert services["console"]["image"] == ours["image"]
    assert "HOOKBUS_WORKER_CONSOLE_LISTEN" not in services["console"]["environment"], "loopback, by default"


def test_the_component_is_valid_and_requests_no_privileges(objects):
    for found in objects:
        if not found["apiVersion"].partition("/")[0].endswith((".com", ".sh")):
            kubernetes_validate.validate(found, "1.30", strict=True)
    hardened = [each["securityContext"] for each in containers(objects).values()]
    assert len(hardened) == 2
    assert hardened[0] == hardened[1]
    assert all(set(each["resources"]["limits"]) == {"memory"} for each in containers(objects).values())


def test_ingress_controllers_reach_the_sidecar_alone_and_it_reaches_the_internet(objects):
    policies = of_kind(objects, "NetworkPolicy")
    workload = named(objects, "Deployment", "hookbus-console")
    ports = {port["name"]: port["containerPort"] for each in containers(objects).values() for port in each["ports"]}
    console = Peer(dict(manifests.pod_labels(workload)), ports=ports)
    ingress, prometheus = Peer({}, "ingress-nginx"), Peer({}, "monitoring")
    assert ports == {"ops": WorkerSettings().console_listen.port, "http": 4180}
    assert [may(policies, ingress, console, port) for port in (4180, 9467)] == [True, False]
    assert [may(policies, prometheus, console, port) for port in (4180, 9467)] == [False, True]
    assert may(policies, console, Peer(address="162.159.140.245"), 443)
    assert not may(policies, console, Peer(address="10.96.0.1"), 443)
    [port] = named(objects, "Service", "hookbus-console")["spec"]["ports"]
    assert port["targetPort"] == "http"
    [rule] = named(objects, "Ingress", "hookbus-console")["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert (rule["host"], path["path"]) == (HOST, "/")
    assert path["backend"]["service"] == {"name": "hookbus-console", "port": {"name": port["name"]}}


def test_the_sidecar_has_the_files_that_its_configuration_names_and_no_token_is_left(objects):
    mounts = {each["mountPath"]: each["name"] for each in containers(objects)["oauth2-proxy"]["volumeMounts"]}
    volumes = manifests.pod(named(objects, "Deployment", "hookbus-console"))["volumes"]
    used = {volume["secret"]["secretName"] for volume in volumes if "secret" in volume}
    [command] = re.findall(r"^kubectl (-n hookbus create secret .*)$", PAGE, re.MULTILINE)
    secret = yaml.safe_load(run(BIN / "kubectl", *shlex.split(command), "--dry-run=client", "-o", "yaml"))
    assert used == {"hookbus-console-redis", secret["metadata"]["name"]}
    for option in ("client_secret_file", "cookie_secret_file"):
        folder, _, file = CONFIG[option].rpartition("/")
        assert folder in mounts
        assert file in secret["data"]
        assert f"/dev/stdin {CONFIG[option]}\n" in PAGE
    args = containers(objects)["oauth2-proxy"]["args"]
    assert args == yaml.safe_load(block("yaml"))["services"]["oauth2-proxy"]["command"]
    assert args[0].removeprefix("--config=") in mounts


class Proxy:
    """What oauth2-proxy does with each request of somebody who has logged in: `person` and `groups` of their ID token.

    It removes what a client sent under the names of its headers, joins groups with commas, and passes the Host on
    (pkg/middleware/headers.go and pkg/upstream/http.go of v7).
    """

    SET = ("X-Forwarded-User", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username")

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.person, self.groups = "", ("",)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """The upstream's answer."""
        headers = request.headers.copy()
        for name in self.SET:
            headers.popall(name, None)
        headers["X-Forwarded-User"] = self.person
        if self.groups:
            headers["X-Forwarded-Groups"] = ",".join(self.groups)
        headers["X-Forwarded-For"] = request.remote or ""
        options: dict[str, Any] = {"headers": headers, "data": await request.read(), "allow_redirects": False}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(request.method, f"{self._upstream}{request.rel_url}", **options) as answer,
        ):
            kept = {name: value for name, value in answer.headers.items() if name != "Transfer-Encoding"}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())


@pytest.fixture
async def behind(redis_url, objects) -> AsyncIterator[tuple[Proxy, str, str]]:
    """A proxy in front of a console with the settings of the component, its URL, and that of the console."""
    environ = environment(objects) | {"HOOKBUS_WORKER_CONSOLE_HOSTS": json.dumps([HOST])}
    # The role of those in no group of the settings, if these had none; here it stands for the user of Redis.
    command = ("hookbus-worker", "console", "--listen", "0.0.0.0:0", "--role", "operator")
    with Program(*command, redis_url=redis_url, **environ) as console:
        port = urlsplit((await console.until_logged("serving"))["url"]).port
        proxy = Proxy(f"http://127.0.0.1:{port}")
        runner = web.ServerRunner(web.Server(proxy.answer))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield proxy, f"http://127.0.0.1:{runner.addresses[0][1]}", f"http://127.0.0.1:{port}"
        finally:
            await runner.cleanup()


async def asked(url: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    """Code and text of an answer, as a page of the console asks."""
    given: Mapping[str, str] = {"Host": HOST, "Sec-Fetch-Site": "same-origin"} | headers
    async with aiohttp.ClientSession() as session, session.request(method, url, headers=given) as answer:
        return answer.status, await answer.text()


async def test_people_have_the_roles_of_their_groups_and_cannot_name_others(behind):
    proxy, url, _ = behind
    proxy.person, proxy.groups = "ann@example.com", ("staff", "cooks")
    status, page = await asked(f"{url}/health", **{"X-Forwarded-User": "mallory", "X-Forwarded-Groups": "bus-admins"})
    assert (status, "ann@example.com" in page, "mallory" in page) == (200, True, False)
    status, text = await asked(f"{url}/plan", "POST")
    assert (status, text) == (403, "ann@example.com may only look: see worker.console_role\n")
    proxy.person, proxy.groups = "bob@example.com", ("bus-admins",)
    assert (await asked(f"{url}/plan", "POST"))[0] != 403
    assert (await asked(f"{url}/plan", "POST", **{"Sec-Fetch-Site": "cross-site"}))[0] == 403
    for groups in (("cooks",), ("bus-admins-not",), ()):
        proxy.groups = groups
        assert (await asked(f"{url}/health", **{"X-Forwarded-Groups": "bus-admins"}))[0] == 403, groups
    proxy.groups = ("bus-admins",)
    assert (await asked(f"{url}/health", Host="evil.example"))[0] == 421


async def test_whoever_goes_around_the_proxy_is_nobody(behind):
    _, _, direct = behind
    headers = {"X-Forwarded-User": "mallory", "X-Forwarded-Groups": "bus-admins", "Host": HOST}
    connector = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.get(f"{direct}/health", headers=headers) as answer:
            assert (answer.status, "has named nobody" in await answer.text()) == (403, True)
        async with session.get(f"{direct}/metrics") as answer:
            assert answer.status == 200, "Prometheus names nobody"
