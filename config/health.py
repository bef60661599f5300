"""Is the process alive, and can it serve?"""

import functools
from collections.abc import Callable

import structlog
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse

from config.celery import app
from sharing.actions.keys import NoSigningKey, SignerRefused, signer

log = structlog.get_logger(__name__)


class NotReady(Exception):
    """What is missing, in one sentence."""


def live(request: HttpRequest) -> JsonResponse:
    """200 while the process answers."""
    return JsonResponse({"status": "live"})


def ready(request: HttpRequest) -> JsonResponse:
    """200 when requests can be served, with what waits for the signer if it is away; else 503 and, by name, what is
    missing."""
    missing: dict[str, str] = {}
    checks: dict[str, Callable[[], object]] = {
        "database": _database_answers,
        "migrations": _migrations_applied,
        "broker": _broker_answers,
    }
    for name, check in checks.items():
        if name == "migrations" and "database" in missing:
            continue
        try:
            check()
        except NotReady as error:
            missing[name] = str(error)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the answer is "not ready"
            missing[name] = "does not answer"
            log.warning("health_check_failed", check=name, error=type(error).__name__)
    if missing:
        return JsonResponse({"status": "not ready", "missing": missing}, status=503)
    try:
        signer().held_keys()
    except (NoSigningKey, SignerRefused) as error:
        # Feeds are read and submissions taken without it: no reason to send anybody elsewhere.
        return JsonResponse({"status": "ready", "waiting": {"signer": str(error)}})
    return JsonResponse({"status": "ready"})


def _database_answers() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:
        # The next request opens a new connection.
        connection.close()
        raise


@functools.cache
def _migrations_applied() -> bool:
    """Remembered once true, not before: nobody takes migrations back under a running server."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        raise NotReady(f"{len(plan)} migrations have not been applied: run `manage.py migrate`")
    return True


def _broker_answers() -> None:
    with app.connection_for_write() as broker:
        broker.default_channel.client.ping()  # type: ignore[attr-defined] # kombu's Redis channel has it
