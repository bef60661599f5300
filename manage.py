#!/usr/bin/env python
"""Django's command line. While `make run` runs, commands with the same STILLWATCH_HOME join its services."""

import atexit
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

from django.core.management import execute_from_command_line

# These need no database, or (serve) start their own services.
WITHOUT_SERVICES = {
    *("serve", "help", "version", "--help", "--version", "-h"),
    *("check", "collectstatic", "diffsettings", "findstatic", "makemigrations", "spectacular", "startapp"),
    *("demo_code", "signer"),
}
# These ask the signer.
SIGNING = {
    *("demo_ceremony", "import_stix", "load_allowlist", "load_demo"),
    *("destroy_key", "revoke_key", "rotate_keys", "sign_anew", "trust_accept", "trust_proposal"),
}


def main() -> None:
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    if command == "signer":
        # Whatever is asked for: it must not need to know what the service knows.
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.signer_settings"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # makemigrations works without a database too, and says so at length.
    warnings.filterwarnings("ignore", message="Got an error checking a consistent migration history")
    if command not in WITHOUT_SERVICES and not {"-h", "--help"} & set(sys.argv):
        from django.conf import settings

        from config import embedded

        if settings.EMBEDDED_DATABASE or settings.EMBEDDED_BROKER:
            services = embedded.use(settings.STILLWATCH_HOME)
            if services.owned and command in SIGNING:
                _start_signer(settings.SIGNER_SOCKET)
    if command == "signer":
        _run_alone()
    else:
        execute_from_command_line(sys.argv)


def _start_signer(path: Path) -> None:
    """For the life of this process, where nothing else runs in this home."""
    from config.embedded import end_with_parent
    from sharing.signing.remote import SignerAway, SignerClient

    signer = subprocess.Popen(  # noqa: S603 - it is this program
        [sys.executable, __file__, "signer", "--verbosity", "0"],
        preexec_fn=end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - one prctl call, no lock
    )
    atexit.register(signer.wait)
    atexit.register(signer.terminate)
    while signer.poll() is None:
        try:
            SignerClient(path).held_keys()
        except SignerAway:
            time.sleep(0.05)
        else:
            return
    sys.exit(f"{sys.argv[1]} needs the signer, and it does not start")


def _run_alone() -> None:
    """Run the signer without Django's applications: less is in the process that holds keys, and it starts fast."""
    from django.conf import settings
    from django.utils.log import configure_logging

    from sharing.management.commands.signer import Command

    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
    Command().run_from_argv(sys.argv)


if __name__ == "__main__":
    main()
