"""The WSGI application."""

import os
import select
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.db import connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    _drop_dead_connection()
    return django(environ, start_response)


def _drop_dead_connection() -> None:
    """Close a database connection that the server has ended, so that the request opens a new one.

    Connections are kept (CONN_MAX_AGE). Nothing is due on an idle one, so a readable socket means that the
    server said good-bye. Asking the kernel costs two microseconds; CONN_HEALTH_CHECKS would ask the server,
    at every request.
    """
    kept = connection.connection
    if kept is None:
        return
    poller = select.poll()
    try:
        poller.register(kept.fileno(), select.POLLIN)
        dead = bool(poller.poll(0))
    except Exception:  # noqa: BLE001 - psycopg has noticed already that it is closed
        dead = True
    if dead:
        connection.close()
