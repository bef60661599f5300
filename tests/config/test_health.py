"""/health/live and /health/ready."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from config import health
from config.celery import app


def test_live_needs_nothing_but_the_process(client: Client) -> None:
    response = client.get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "live"})


@pytest.mark.django_db
def test_ready_when_the_database_the_migrations_and_the_broker_are_there(client: Client) -> None:
    response = client.get("/health/ready")
    assert (response.status_code, response.json()) == (200, {"status": "ready"})


@pytest.mark.django_db
def test_ready_while_the_signer_is_away_and_says_what_waits(
    client: Client, settings: Any, tmp_path: Path
) -> None:
    settings.SIGNER_SOCKET = tmp_path / "nobody"
    response = client.get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "waiting": {"signer": "the signer does not answer (No such file or directory)"},
    }


@pytest.mark.django_db
def test_not_ready_while_a_migration_is_missing(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'sessions'")
    health._migrations_applied.cache_clear()
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["missing"] == {
        "migrations": "1 migrations have not been applied: run `manage.py migrate`"
    }


@pytest.mark.django_db
def test_not_ready_while_the_broker_is_away(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    away = app.connection("redis+socket:///nowhere/redis.sock")
    monkeypatch.setattr(app, "connection_for_write", lambda: away)
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "missing": {"broker": "does not answer"}}


@pytest.mark.django_db(transaction=True)
def test_not_ready_while_the_database_is_away(client: Client) -> None:
    connection.close()
    host = connection.settings_dict["HOST"]
    connection.settings_dict["HOST"] = "/nowhere"
    try:
        response = client.get("/health/ready")
    finally:
        connection.settings_dict["HOST"] = host
    assert response.status_code == 503
    assert response.json()["missing"] == {"database": "does not answer"}
