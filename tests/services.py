"""A pytest plugin: the suite has a PostgreSQL, a Redis and a signer of its own.

It is loaded by `-p` (pyproject.toml), which is before Django's settings are read: they find a temporary
STILLWATCH_HOME and so the sockets of services that need not run yet. The fixture `services` starts them when
the first test asks.
"""

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(tempfile.mkdtemp(prefix="sw-test-")).resolve()

# What the person running the tests has set for a server of theirs must not reach the tests.
for _name in (
    "SECRET_KEY",
    "SIGNING_PASSPHRASE",
    "SIGNING_KEYS_DIR",
    "SIGNER_SOCKET",
    "SIGNER_CLIENT_UIDS",
    "PUBLIC_URL",
    "STILLWATCH_MODE",
    "HOST",
    "PORT",
):
    for _variable in (_name, f"{_name}_FILE"):
        os.environ.pop(_variable, None)
os.environ["STILLWATCH_HOME"] = str(HOME)
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def services() -> Iterator[None]:
    """PostgreSQL and Redis, running: ours, or those of DATABASE_URL and CELERY_BROKER_URL."""
    from config import embedded, env

    postgres, redis = not env.secret("DATABASE_URL"), not env.secret("CELERY_BROKER_URL")
    running = embedded.start(HOME, postgres=postgres, redis=redis, durable=False)
    with _signer():
        yield
    embedded.stop(running)


@contextlib.contextmanager
def _signer() -> Iterator[None]:
    """The signer on its socket, as `manage.py signer` runs it, but in a thread: that costs no second."""
    from django.conf import settings

    from sharing.signing import server

    with server.opened(
        socket_path=settings.SIGNER_SOCKET,
        keys_directory=settings.SIGNING_KEYS_DIR,
        passphrase=settings.READ_SIGNING_PASSPHRASE().encode(),
        uids=settings.SIGNER_CLIENT_UIDS,
    ) as signer:
        thread = threading.Thread(target=signer.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield
        signer.shutdown()
        thread.join()
