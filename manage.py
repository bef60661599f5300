#!/usr/bin/env python
"""Django's command line. While `make run` runs, commands with the same STILLWATCH_HOME join its services."""

import os
import sys
import warnings

from django.core.management import execute_from_command_line

# These need no database, or (serve) start their own services.
WITHOUT_SERVICES = {
    *("serve", "help", "version", "--help", "--version", "-h"),
    *("check", "collectstatic", "diffsettings", "findstatic", "makemigrations", "spectacular", "startapp"),
    *("demo_code", "signer"),
}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # makemigrations works without a database too, and says so at length.
    warnings.filterwarnings("ignore", message="Got an error checking a consistent migration history")
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    if command not in WITHOUT_SERVICES and not {"-h", "--help"} & set(sys.argv):
        from django.conf import settings

        from config import embedded

        if settings.EMBEDDED_DATABASE or settings.EMBEDDED_BROKER:
            embedded.use(settings.STILLWATCH_HOME)
    if command == "signer":
        _run_alone()
    else:
        execute_from_command_line(sys.argv)


def _run_alone() -> None:
    """Run the signer without Django's applications: less is in the process that holds the keys, and it is up at once."""
    from django.conf import settings
    from django.utils.log import configure_logging

    from sharing.management.commands.signer import Command

    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
    Command().run_from_argv(sys.argv)


if __name__ == "__main__":
    main()
