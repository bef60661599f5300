"""`manage.py apply_community FILE`."""

import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.actor import Actor
from sharing.actions import communities


class Command(BaseCommand):
    help = (
        "Make organisations, members, tokens, communities and collections match a YAML file, and print what changed."
        " May be run again. Secrets of new tokens go to --tokens-out, or are printed, and are never shown again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--tokens-out", type=Path, help="JSON file for the secrets of new tokens, mode 0600"
        )

    def handle(self, *args: Any, file: Path, tokens_out: Path | None, **options: Any) -> None:
        try:
            parsed = communities.parse(file.read_text(encoding="utf-8"))
            # Opened first: a secret that cannot be written down must not be made.
            before = _secrets(tokens_out)
            applied = communities.apply(parsed, by=Actor("service:apply_community"), now=timezone.now())
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}") from error
        except (communities.InvalidFile, UnicodeDecodeError) as error:
            raise CommandError(f"{file}: {error}") from error
        if tokens_out is not None:
            _write(tokens_out, before | applied.secrets)
        if not options["verbosity"]:
            return
        for change in applied.changes:
            self.stdout.write(change)
        if not applied.changes:
            self.stdout.write("nothing to change")
        if tokens_out is None and applied.secrets:
            self.stdout.write(json.dumps(applied.secrets, indent=2))


def _secrets(path: Path | None) -> dict[str, dict[str, str]]:
    """What the file holds already; it is made, readable by its owner only, if it is not there."""
    if path is None:
        return {}
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, encoding="utf-8") as file:
        text = file.read()
    try:
        held = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise CommandError(f"{path}: holds something else than tokens") from error
    if not isinstance(held, dict):
        raise CommandError(f"{path}: holds something else than tokens")
    return held


def _write(path: Path, secrets: dict[str, dict[str, str]]) -> None:
    """Whole or not at all, mode 0600."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(secrets, file, indent=2)
        file.write("\n")
    draft.replace(path)
