"""What the signer is told by the environment, and nothing else: neither database nor broker, nor the service's secrets.

`manage.py signer` runs with these settings; `config.settings`, which everything else runs with, begins with them.
"""

import os
import secrets
import tempfile
from pathlib import Path

from config import embedded, env
from config.log import logging_for

MODE = env.choice("STILLWATCH_MODE", ("local", "production"), "local")
STILLWATCH_HOME = env.path("STILLWATCH_HOME", Path(__file__).resolve().parent.parent / "var")

SIGNING_KEYS_DIR = env.path("SIGNING_KEYS_DIR", STILLWATCH_HOME / "keys")
SIGNER_SOCKET = env.path("SIGNER_SOCKET", embedded.socket_dir(STILLWATCH_HOME) / "signer.sock")
"""Where the signer listens, and everybody else asks it."""
SIGNER_CLIENT_UIDS = frozenset(env.uids("SIGNER_CLIENT_UIDS") or {os.geteuid()})
"""Whose processes the signer answers."""


def READ_SIGNING_PASSPHRASE() -> str:  # noqa: N802 - a setting
    """Opens the signing keys: read by the signer, when it starts, and by nobody else."""
    passphrase = env.secret("SIGNING_PASSPHRASE")
    return passphrase if passphrase or MODE == "production" else generated("signing-passphrase")


LOG_LEVEL = env.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "INFO")
LOGGING_CONFIG = "config.log.configure"
LOGGING = logging_for(LOG_LEVEL)


def generated(file: str) -> str:
    """A secret that this home keeps: read, or made on first use, readable by its owner alone."""
    path = STILLWATCH_HOME / file
    if not path.exists():
        STILLWATCH_HOME.mkdir(parents=True, exist_ok=True)
        # mkstemp makes it 0600; linking it lets the first of several starting processes win.
        descriptor, draft = tempfile.mkstemp(dir=STILLWATCH_HOME, prefix=f".{file}.")
        with os.fdopen(descriptor, "w") as content:
            content.write(secrets.token_urlsafe(48))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            Path(draft).unlink()
    return path.read_text(encoding="utf-8").strip()
