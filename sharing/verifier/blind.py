"""`stillwatch blind`: personal identifiers in, blinded ones out, on the partner's own machine.

Neither a key nor a raw value leaves it: there is no network here, and no message quotes either of them.
"""

import argparse
import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import uuid4

from indicators.privacy.blinding import (
    SUBJECTS,
    CannotBlind,
    blind,
    blinded_identifier,
    check_key_id,
    key_from_hex,
)

EXIT_SOME_REFUSED = 1
EXIT_USAGE = 2

_EXIT_CODES = """\
exit codes:
   0  every value is blinded
   1  some values cannot be blinded; the others are
   2  wrong use, or a key that cannot be read
"""

_EXAMPLES = """\
examples:
  stillwatch blind --key-file group.key --key-id grp1.2026q4 --subject account-id < accounts.txt > blinded.ndjson
  stillwatch blind --key-file group.key --key-id grp1.2026q4 --subject email-address --bundle user@example.org
  stillwatch blind --key-file group.key --subject payment-method --values < cards.txt
"""


def register(commands: Any) -> None:
    """Add the command to the parsers of `stillwatch`; its `run` is what main calls."""
    parser = commands.add_parser(
        "blind",
        help="turn personal identifiers into blinded-identifier objects",
        description="Blinds personal identifiers with the group's key, so that members can match them and nobody can\n"
        "read them back: HMAC-SHA-256. Values come one a line from standard input, or as arguments, where other\n"
        "users of this machine can see them.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EXAMPLES + "\n" + _EXIT_CODES,
        allow_abbrev=False,
    )
    parser.add_argument("values", nargs="*", metavar="VALUE", help="default: lines of standard input")
    parser.add_argument("--key-file", metavar="FILE", help="the group key, 64 hexadecimal digits; required")
    parser.add_argument("--key-id", metavar="GROUP.YYYYqN", help="which key it is; required but for --values")
    parser.add_argument("--subject", required=True, choices=SUBJECTS, help="what the values are")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--bundle", action="store_true", help="print one STIX bundle instead of NDJSON")
    form.add_argument(
        "--values",
        dest="bare",
        action="store_true",
        help="print the bare hexadecimal values, a line each, empty where a value cannot be blinded",
    )
    # Only to say why it is not there.
    parser.add_argument("--key", dest="key_in_sight", help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit code."""
    try:
        if arguments.key_in_sight is not None:
            raise CannotBlind("a key on the command line can be seen by others; put it into a --key-file")
        if arguments.key_file is None:
            raise CannotBlind("--key-file is needed: the file that holds the group key")
        if not arguments.bare:
            if arguments.key_id is None:
                raise CannotBlind("--key-id is needed: a blinded value says under which key")
            check_key_id(arguments.key_id)
        key = _key(arguments.key_file)
    except CannotBlind as error:
        sys.stderr.write(f"stillwatch: {error}\n")
        return EXIT_USAGE
    refused = 0
    objects: dict[str, dict[str, Any]] = {}
    try:
        for place, value in _values(arguments.values):
            if not value and not arguments.values:
                # An empty line is no value; among bare values it keeps the places.
                sys.stdout.write("\n" if arguments.bare else "")
                continue
            try:
                if arguments.bare:
                    sys.stdout.write(blind(key, arguments.subject, value) + "\n")
                    continue
                made = blinded_identifier(key, arguments.key_id, arguments.subject, value)
            except CannotBlind as error:
                refused += 1
                sys.stderr.write(f"stillwatch: {place}: {error}\n")
                if arguments.bare:
                    sys.stdout.write("\n")
                continue
            # Two spellings of one value are one object.
            if made["id"] not in objects:
                objects[made["id"]] = made if arguments.bundle else {}
                if not arguments.bundle:
                    sys.stdout.write(json.dumps(made) + "\n")
        if arguments.bundle and objects:
            bundle = {"type": "bundle", "id": f"bundle--{uuid4()}", "objects": [*objects.values()]}
            sys.stdout.write(json.dumps(bundle, indent=1) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_SOME_REFUSED if refused else 0


def _key(name: str) -> bytes:
    if len(name) == 64 and not name.strip("0123456789abcdefABCDEF"):
        raise CannotBlind("--key-file takes the name of a file, not the key: others can see a command line")
    try:
        with open(name, "rb") as file:  # noqa: PTH123  the mode belongs to what is read
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                sys.stderr.write("stillwatch: warning: others can read the key file; chmod 600 it\n")
            text = file.read(1024).decode("ascii")
    except UnicodeDecodeError:
        raise CannotBlind("the key file holds no hexadecimal text") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no file name"
        raise CannotBlind(f"cannot read the file that --key-file names: {reason}") from None
    return key_from_hex(text)


def _values(arguments: list[str]) -> Iterator[tuple[str, str]]:
    """Each value and its place in the input."""
    lines: Iterable[str] = arguments
    if not arguments:
        lines = _lines()
    word = "value" if arguments else "line"
    return ((f"{word} {number}", value) for number, value in enumerate(lines, start=1))


def _lines() -> Iterator[str]:
    encoding = "utf-8-sig"  # editors put a byte order mark before the first line
    for raw in sys.stdin.buffer:
        yield raw.decode(encoding, "surrogateescape").strip()
        encoding = "utf-8"
