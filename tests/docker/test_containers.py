"""The containers: the Dockerfile is clean, and compose, settings, commands and docs name the same things."""

import gzip
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.urls import reverse

from config.celery import INGEST_QUEUE, OUTBOUND_QUEUE, PUBLISH_QUEUE, TRUST_QUEUE
from config.embedded import POSTGRES_SETTINGS
from config.management.commands.serve import celery_worker, web_server
from sharing.signing import jws
from sharing.signing.keys import KeySet, PublishedKey, jwks
from sharing.signing.remote import ObjectSigner, SignerClient
from sharing.signing.wire import Purpose
from tests.stack import ROOT, free_port

DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
OURS = {"signer", "web", "ingest", "publish", "outbound", "trust", "beat", "migrate"}


def documented_variables() -> set[str]:
    """The variables of the table in docs/operations.md; NAME_FILE beside NAME where it may be a file."""
    table = OPERATIONS.split("## Variables")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([A-Z_]+)`", cell)}


def read_variables() -> set[str]:
    """The variables that the code reads."""
    names: set[str] = set()
    for package in ("accounts", "config", "indicators", "sharing"):
        for file in (ROOT / package).rglob("*.py"):
            for reader, name in re.findall(r'\benv\.(\w+)\(\s*"([A-Z_]+)"', file.read_text(encoding="utf-8")):
                names |= {name, f"{name}_FILE"} if reader == "secret" else {name}
    return names


def documented_services() -> dict[str, str]:
    table = OPERATIONS.split("## Containers")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([a-z]+)` \| `([^`]+)` \|", table, re.MULTILINE))


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    outcome = subprocess.run([hadolint, DOCKER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (outcome.returncode, outcome.stdout) == (0, "")


def test_the_docs_describe_exactly_the_variables_that_the_code_reads() -> None:
    assert documented_variables() == read_variables()


def test_the_docs_name_the_same_services_and_versions_as_compose() -> None:
    assert documented_services() == {name: service["image"] for name, service in SERVICES.items()}


def test_the_image_has_the_version_of_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.*)"', project, re.MULTILINE)
    assert version is not None
    assert {SERVICES[name]["image"] for name in OURS} == {f"stillwatch:{version[1]}"}


def test_compose_sets_only_variables_that_are_read_and_all_that_production_requires() -> None:
    for name in OURS:
        variables = set(SERVICES[name]["environment"])
        assert variables <= read_variables()
        if name == "signer":
            continue
        assert {
            "STILLWATCH_MODE",
            "PUBLIC_URL",
            "SECRET_KEY_FILE",
            "DATABASE_URL_FILE",
            "CELERY_BROKER_URL_FILE",
        } <= variables


def test_every_secret_file_that_is_named_is_mounted_and_made_by_prepare(tmp_path: Path) -> None:
    subprocess.run([DOCKER / "prepare", "intel.example.org", tmp_path], check=True)
    made = {file.name for file in tmp_path.iterdir()}
    assert made == set(COMPOSE["secrets"])
    for name, secret in COMPOSE["secrets"].items():
        assert secret["file"] == f"./secrets/{name}"
    for service in SERVICES.values():
        mounted = set(service.get("secrets", []))
        assert mounted <= made
        for variable, value in service.get("environment", {}).items():
            if variable.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in mounted


def test_prepare_keeps_what_it_made_and_its_parts_fit_together(tmp_path: Path) -> None:
    rounds = []
    for _ in range(2):
        subprocess.run([DOCKER / "prepare", "intel.example.org", tmp_path], check=True)
        rounds.append({file.name: file.read_text() for file in tmp_path.iterdir()})
    secrets = rounds[0]
    assert rounds[1] == secrets
    assert secrets["postgres_password"] in secrets["database_url"]
    password = re.search(r"^requirepass (\w+)$", secrets["redis_conf"], re.MULTILINE)
    assert password is not None
    assert password[1] in secrets["celery_broker_url"]
    assert len(secrets["secret_key"]) >= 40


def test_only_the_signer_has_the_keys_and_their_passphrase() -> None:
    with_keys = {
        name for name, service in SERVICES.items() if "signing-keys" in str(service.get("volumes", []))
    }
    with_passphrase = {
        name for name, service in SERVICES.items() if "signing_passphrase" in service.get("secrets", [])
    }
    with_socket = {
        name for name, service in SERVICES.items() if "signer-socket" in str(service.get("volumes", []))
    }
    assert with_keys == with_passphrase == {"signer"}
    assert with_socket == {"signer", "web", "ingest", "publish", "trust"}


def test_the_signer_is_given_no_secret_but_its_own_and_starts_and_signs_with_that(tmp_path: Path) -> None:
    service = SERVICES["signer"]
    assert service["secrets"] == ["signing_passphrase"]
    assert set(service["environment"]) == {
        "STILLWATCH_MODE",
        "LOG_LEVEL",
        "SIGNER_SOCKET",
        "SIGNER_CLIENT_UIDS",
        "SIGNING_KEYS_DIR",
        "SIGNING_PASSPHRASE_FILE",
    }
    (tmp_path / "passphrase").write_text("only for tests")
    environment = service["environment"] | {
        "PATH": os.environ["PATH"],
        # As the image has it.
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "LOG_LEVEL": "INFO",
        "STILLWATCH_HOME": str(tmp_path / "home"),
        "SIGNER_SOCKET": str(tmp_path / "s"),
        "SIGNER_CLIENT_UIDS": str(os.geteuid()),
        "SIGNING_KEYS_DIR": str(tmp_path / "keys"),
        "SIGNING_PASSPHRASE_FILE": str(tmp_path / "passphrase"),
    }
    command = [sys.executable, *service["command"][1:]]
    signer = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert signer.stdout is not None
        assert "the signer listens" in signer.stdout.readline()
        client = SignerClient(tmp_path / "s")
        made = client.generate(Purpose.OBJECT)
        signature = jws.sign(ObjectSigner(client, made.kid), b"{}", typ=jws.OBJECT)
        known = KeySet.from_jwks(jwks([PublishedKey(made.jwk)]))
        assert jws.verify(known, b"{}", signature, typ=jws.OBJECT) == made.kid
        checked = subprocess.run(
            [*command, "--check"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        assert checked.stdout == f"{made.kid} object\n"
    finally:
        signer.terminate()
        signer.wait(30)
    assert signer.returncode == 0
    # Nothing of the service's was made up for it either.
    assert not (tmp_path / "home").exists()


def test_the_signer_is_a_user_of_its_own_on_no_network_and_serves_the_others_only() -> None:
    service, uid, group = SERVICES["signer"], "10002", "10001"
    assert service["user"] == f"{uid}:{group}"
    assert re.search(rf"useradd --uid {uid} --gid stillwatch ", DOCKERFILE)
    allowed = service["environment"]["SIGNER_CLIENT_UIDS"].split(",")
    (others,) = {one.split(":")[0] for one in re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE)}
    # Its own is that of its health check.
    assert sorted(allowed) == [others, uid]
    assert {name for name, one in SERVICES.items() if set(one["networks"]) & {*service["networks"]}} == {
        "signer"
    }
    assert COMPOSE["networks"][service["networks"][0]]["internal"] is True
    for name in ("web", "ingest", "publish", "trust"):
        assert SERVICES[name]["environment"]["SIGNER_SOCKET"] == service["environment"]["SIGNER_SOCKET"]
    for volume in service["volumes"]:
        directory = volume.split(":")[1]
        assert re.search(
            rf"install -d -o signer -g stillwatch -m 07[05]0 {directory}( |$)", DOCKERFILE, re.MULTILINE
        )


def test_the_containers_run_what_make_run_runs() -> None:
    command = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[-1]
    assert json.loads(command) == web_server("0.0.0.0", 8000, Path("/app/static"))  # noqa: S104
    assert SERVICES["ingest"]["command"] == celery_worker(INGEST_QUEUE)
    assert SERVICES["outbound"]["command"] == celery_worker(OUTBOUND_QUEUE)
    assert SERVICES["trust"]["command"] == celery_worker(TRUST_QUEUE)
    assert SERVICES["signer"]["command"] == ["python", "manage.py", "signer"]
    assert SERVICES["publish"]["command"][-1].endswith(" ".join(celery_worker(PUBLISH_QUEUE)))
    assert SERVICES["beat"]["command"][-1] == "--pidfile="


def test_the_database_is_set_as_make_run_sets_its_own() -> None:
    given = [part.removeprefix("-c").partition("=") for part in SERVICES["postgres"]["command"][1:]]
    assert {name: value for name, _, value in given}.items() <= POSTGRES_SETTINGS.items()


def test_nothing_runs_as_root_may_gain_rights_or_write_to_its_image() -> None:
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name


def test_only_the_proxy_is_reachable_from_outside() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"proxy"}
    # `outbound` calls other servers; nothing listens in it.
    outside = {name for name, service in SERVICES.items() if "outside" in service["networks"]}
    assert outside == {"proxy", "outbound"}
    assert COMPOSE["networks"]["inside"]["internal"] is True


def test_every_image_has_a_version() -> None:
    images = [service["image"] for service in SERVICES.values()]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    for image in images:
        assert re.search(r":\d[\w.-]*$", image), image


class _Web(BaseHTTPRequestHandler):
    """Stands for the web server behind the proxy: says what reached it."""

    protocol_version = "HTTP/1.1"
    body = json.dumps({"objects": [{"n": n} for n in range(500)]}).encode()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/taxii+json;version=2.1")
        self.send_header("Content-Length", str(len(self.body)))
        for name in ("Host", "X-Forwarded-Proto", "Authorization"):
            self.send_header(f"Echo-{name}", self.headers.get(name, ""))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Nginx on docker/nginx.conf, with only addresses, paths and the newer spelling of HTTP/2 changed."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed here")
    directory = tmp_path_factory.mktemp("proxy")
    subprocess.run([DOCKER / "prepare", "localhost", directory / "secrets"], check=True)
    web = ThreadingHTTPServer(("127.0.0.1", 0), _Web)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    port = free_port()
    configuration = (DOCKER / "nginx.conf").read_text(encoding="utf-8")
    for old, new in {
        "/tmp/": f"{directory}/",  # noqa: S108 - first, for the directory is likely to be there
        "/var/cache/nginx/": f"{directory}/",
        "listen 8443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "http2 on;": "",
        "server web:8000;": f"server 127.0.0.1:{web.server_port};",
        "/run/secrets/": f"{directory}/secrets/",
        "/dev/stdout": f"{directory}/access.log",
    }.items():
        assert old in configuration
        configuration = configuration.replace(old, new)
    file = directory / "nginx.conf"
    file.write_text(f"daemon off;\n{configuration}", encoding="utf-8")
    subprocess.run([nginx, "-t", "-q", "-c", file, "-p", directory], check=True, capture_output=True)
    with subprocess.Popen([nginx, "-c", file, "-p", directory], stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
        process.terminate()
    web.shutdown()


def get(port: int, path: str, **headers: str) -> http.client.HTTPResponse:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
    connection.request(
        "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    return connection.getresponse()


def test_the_proxy_compresses_taxii_pages_without_changing_them(proxy: int) -> None:
    response = get(proxy, "/taxii2/", Accept_Encoding="gzip")
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.headers["Content-Type"] == "application/taxii+json;version=2.1"
    assert "Accept-Encoding" in response.headers["Vary"]
    assert gzip.decompress(response.read()) == _Web.body


def test_the_proxy_tells_the_server_the_name_and_that_it_was_https(proxy: int) -> None:
    response = get(
        proxy, "/taxii2/", Host="intel.example.org", X_Forwarded_Proto="http", Authorization="Bearer x"
    )
    assert response.headers["Echo-Host"] == "intel.example.org"
    assert response.headers["Echo-X-Forwarded-Proto"] == "https"
    assert response.headers["Echo-Authorization"] == "Bearer x"
    assert response.read() == _Web.body


def test_the_proxy_keeps_the_metrics_inside(proxy: int) -> None:
    assert get(proxy, "/metrics").status == 404


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_the_proxy_speaks_nothing_older_than_tls_1_2(proxy: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", proxy)) as plain, pytest.raises((ssl.SSLError, OSError)):
        context.wrap_socket(plain)


def test_the_proxys_logs_leave_out_what_opens_an_invitation() -> None:
    configuration = (DOCKER / "nginx.conf").read_text(encoding="utf-8")
    logged = re.search(
        r'map \$uri \$logged_path \{\s+"~\^\(\?<invitation>([^)]+)\)" "\$invitation\.\.\.";', configuration
    )

    assert logged is not None
    assert logged[1] == reverse("invitation", args=["x", "y"]).removesuffix("x/y/")
    (form,) = re.findall(r"log_format json.*?;\n", configuration, re.DOTALL)
    assert '"path":"$logged_path"' in form
    assert "$uri" not in form
    assert '$request"' not in form
    assert re.search(r"location \^~ /admin/invitation/ \{\s+error_log stderr crit;", configuration)
