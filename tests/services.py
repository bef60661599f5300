"""A pytest plugin: the suite has a PostgreSQL and a Redis of its own.

It is loaded by `-p` (pyproject.toml), which is before Django's settings are read: they find a temporary
STILLWATCH_HOME and so the sockets of services that need not run yet. The fixture `services` starts them when
the first test asks.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(tempfile.mkdtemp(prefix="sw-test-")).resolve()

# What the person running the tests has set for a server of theirs must not reach the tests.
for _name in (
    "SECRET_KEY",
    "SIGNING_PASSPHRASE",
    "SIGNING_KEYS_DIR",
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
    yield
    embedded.stop(running)
