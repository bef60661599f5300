"""The settings file, read by a process of its own as a server would."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

PRODUCTION = {
    "STILLWATCH_MODE": "production",
    "SECRET_KEY": "k" * 50,
    "DATABASE_URL": "postgresql://user:p%40ss@db:5433/intel?sslmode=require",
    "CELERY_BROKER_URL": "redis://:pw@redis:6379/0",
    "PUBLIC_URL": "https://intel.example.org",
}
READ = """
import json, sys
from django.conf import settings
found = {name: getattr(settings, name) for name in sys.argv[1:]}
print(json.dumps({name: value() if callable(value) else value for name, value in found.items()}, default=str))
"""


def read(home: Path, variables: dict[str, str], *names: str) -> subprocess.CompletedProcess[str]:
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    environment = (
        keep | {"STILLWATCH_HOME": str(home), "DJANGO_SETTINGS_MODULE": "config.settings"} | variables
    )
    return subprocess.run(
        [sys.executable, "-c", READ, *names], env=environment, capture_output=True, text=True, check=False
    )


def test_without_any_variable_the_home_holds_the_secrets(tmp_path: Path) -> None:
    names = ("SECRET_KEY", "READ_SIGNING_PASSPHRASE", "SIGNING_KEYS_DIR", "SIGNER_SOCKET", "PUBLIC_URL")
    first = json.loads(read(tmp_path, {}, *names).stdout)
    again = json.loads(read(tmp_path, {}, *names).stdout)
    assert first == again
    assert first["SIGNER_SOCKET"] == str(tmp_path / "run" / "signer.sock")
    assert first["SIGNING_KEYS_DIR"] == str(tmp_path / "keys")
    assert first["SECRET_KEY"] != first["READ_SIGNING_PASSPHRASE"]
    for file in ("secret-key", "signing-passphrase"):
        assert stat.S_IMODE((tmp_path / file).stat().st_mode) == 0o600


def test_only_the_signer_reads_what_opens_the_keys(tmp_path: Path) -> None:
    read(tmp_path, {}, "SECRET_KEY")
    assert not (tmp_path / "signing-passphrase").exists()


def test_external_services_change_nothing_else(tmp_path: Path) -> None:
    external = {name: PRODUCTION[name] for name in ("DATABASE_URL", "CELERY_BROKER_URL")}
    names = ("EMBEDDED_DATABASE", "EMBEDDED_BROKER", "CELERY_BROKER_URL", "MODE")
    values = json.loads(read(tmp_path, external, *names).stdout)
    assert values == {
        "EMBEDDED_DATABASE": False,
        "EMBEDDED_BROKER": False,
        "CELERY_BROKER_URL": external["CELERY_BROKER_URL"],
        "MODE": "local",
    }


def test_production_takes_every_part_of_the_database_url(tmp_path: Path) -> None:
    database = json.loads(read(tmp_path, PRODUCTION, "DATABASES").stdout)["DATABASES"]["default"]
    assert [database[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")] == [
        *("intel", "user", "p@ss", "db", "5433")
    ]
    assert database["OPTIONS"]["sslmode"] == "require"


def test_production_serves_its_public_name_over_secure_cookies(tmp_path: Path) -> None:
    names = ("ALLOWED_HOSTS", "STILLWATCH_ORIGIN_HOST", "SESSION_COOKIE_SECURE", "SECURE_HSTS_SECONDS")
    values = json.loads(read(tmp_path, PRODUCTION, *names).stdout)
    assert "intel.example.org" in values["ALLOWED_HOSTS"]
    assert "*" not in values["ALLOWED_HOSTS"]
    assert values["STILLWATCH_ORIGIN_HOST"] == "intel.example.org"
    assert values["SESSION_COOKIE_SECURE"] is True
    assert values["SECURE_HSTS_SECONDS"] > 0


def test_production_makes_no_secret_up(tmp_path: Path) -> None:
    values = json.loads(read(tmp_path, PRODUCTION, "READ_SIGNING_PASSPHRASE").stdout)
    assert values == {"READ_SIGNING_PASSPHRASE": ""}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "CELERY_BROKER_URL", "PUBLIC_URL"])
def test_production_refuses_to_start_without(tmp_path: Path, name: str) -> None:
    variables = {key: value for key, value in PRODUCTION.items() if key != name}
    outcome = read(tmp_path, variables, "SECRET_KEY")
    assert outcome.returncode != 0
    assert f"{name}: must be set when STILLWATCH_MODE is production" in outcome.stderr


def test_production_lists_everything_that_is_missing_at_once(tmp_path: Path) -> None:
    outcome = read(tmp_path, {"STILLWATCH_MODE": "production"}, "SECRET_KEY")
    assert "SECRET_KEY, DATABASE_URL, CELERY_BROKER_URL, PUBLIC_URL: must be set" in outcome.stderr


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DEBUG", "1", "DEBUG: cannot be on"),
        ("SECRET_KEY", "short", "SECRET_KEY: is shorter"),
        ("DATABASE_URL", "mysql://a/b", "DATABASE_URL: is not a PostgreSQL URL"),
        ("DATABASE_URL", "postgresql://host", "DATABASE_URL: names no database"),
        ("PUBLIC_URL", "intel.example.org", "PUBLIC_URL: "),
        ("LOG_LEVEL", "loud", "LOG_LEVEL: "),
        ("STILLWATCH_MODE", "staging", "STILLWATCH_MODE: "),
        ("SIGNER_CLIENT_UIDS", "10001,web", "SIGNER_CLIENT_UIDS: "),
    ],
)
def test_an_unusable_value_stops_the_start_and_is_named(
    tmp_path: Path, name: str, value: str, said: str
) -> None:
    outcome = read(tmp_path, PRODUCTION | {name: value}, "SECRET_KEY")
    assert outcome.returncode != 0
    assert said in outcome.stderr
    # The message never shows what may hold a password.
    assert "p%40ss" not in outcome.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("host", "hosts"),
    [("127.0.0.1", ["localhost", ".localhost", "127.0.0.1", "[::1]"]), ("0.0.0.0", ["*"])],  # noqa: S104
)
def test_a_server_on_loopback_serves_loopback_names_only(tmp_path: Path, host: str, hosts: list[str]) -> None:
    assert json.loads(read(tmp_path, {"HOST": host}, "ALLOWED_HOSTS").stdout) == {"ALLOWED_HOSTS": hosts}
