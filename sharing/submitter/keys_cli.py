"""`stillwatch keys new|show|register`: an organisation's own signing key, and what registers it with a service."""

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sharing.signing.keys import Ed25519Signer, PublishedKey, jwks
from sharing.submitter import key_files, registration

EXIT_USAGE = 2

_HELP = """\
A key of your own, to sign what you submit. The private half stays in its file, encrypted, on your machine. The service
knows the public half of registered keys only, shows it to nobody else, and keeps your signature with what you sent.

examples:
  stillwatch keys new acme.pem
  stillwatch keys register acme.pem --organization acme --host intel.example.org --name "Detections" > key.json
  curl -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
      --data @key.json https://intel.example.org/api/v1/keys/
  stillwatch submit detections.ndjson --sign acme.pem
  stillwatch keys show acme.pem > acme.jwks.json     # for those whom you want to be able to verify it
"""


class _WrongUse(Exception):
    """The sentence says what is wrong."""


def register(commands: Any) -> None:
    """Add the command `keys` to the parsers of `stillwatch`."""
    form = commands.add_parser(
        "keys",
        help="make a key of your own, and register it",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = form.add_subparsers(dest="what", required=True, metavar="new|show|register")
    new = kinds.add_parser("new", help="make a key; prints its public half as a JWK Set")
    show = kinds.add_parser("show", help="print a key's public half as a JWK Set")
    enrol = kinds.add_parser(
        "register", help="print what registers a key: post it to /api/v1/keys/, or give it to the desk"
    )
    enrol.add_argument("--organization", required=True, metavar="SLUG", help="yours, as receipts name it")
    enrol.add_argument("--host", help="the service's public host name; that of STILLWATCH_URL unless given")
    enrol.add_argument("--name", required=True, help="what the key is for, as your people will see it")
    for each in (new, show, enrol):
        each.add_argument("file", type=Path, metavar="KEY.pem")
        each.add_argument(
            "--passphrase-file", type=Path, metavar="FILE", help="its first line; asked for unless given"
        )
        each.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit code."""
    try:
        secret = key_files.passphrase(arguments.passphrase_file, new=arguments.what == "new")
        if arguments.what == "new":
            signer = key_files.make(arguments.file, secret)
            said = f"made key {signer.kid}; keep {arguments.file} and its passphrase, nobody else has them"
            sys.stderr.write(f"stillwatch: {said}\n")
        else:
            signer = key_files.load(arguments.file, secret)
        sys.stdout.write(json.dumps(_shown(signer, arguments), indent=2) + "\n")
    except (_WrongUse, key_files.NoKey) as error:
        sys.stderr.write(f"stillwatch: {error}\n")
        return EXIT_USAGE
    return 0


def _shown(signer: Ed25519Signer, arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.what != "register":
        return dict(jwks([PublishedKey(signer.public_jwk())]))
    host = arguments.host or urlsplit(os.environ.get("STILLWATCH_URL", "")).hostname
    if not host:
        raise _WrongUse("--host or STILLWATCH_URL is needed: the public host name of the service")
    now = datetime.now(UTC)
    posted = registration.make(
        signer, name=arguments.name, organization=arguments.organization, host=host, now=now
    )
    try:
        registration.read(posted, organization=arguments.organization, host=host, now=now)
    except registration.NotARegistration as error:
        raise _WrongUse(f"{error.field}: {error}") from error
    return posted
