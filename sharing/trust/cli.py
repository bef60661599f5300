"""`stillwatch trust`: the publisher's ceremony, offline. What is signed is shown before it is signed."""

import argparse
import dataclasses
import getpass
import json
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sharing.signing.keys import Ed25519Signer, UnreadableKey, load
from sharing.trust.ceremony import Ceremony, CeremonyError, Signed, Status, Waits
from sharing.trust.documents import Proposal
from sharing.trust.revocations import MalformedDocument, origin_digest

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_WAITS = 3
"""More signatures are needed."""

_DESCRIPTION = """\
Keeps the trust root: who signs what in this feed, signed by people offline. Nothing here needs a network or the
service. The folder DIR is carried from machine to machine until enough keys have signed; then the service takes
DIR/accept.json with `manage.py trust_accept`.
"""
_EXAMPLES = """\
examples:
  manage.py trust_proposal > proposal.json                                   (on the service)
  stillwatch trust init ceremony --keys 3 --threshold 2 --proposal proposal.json
  stillwatch trust rotate ceremony --proposal proposal.json --key usb/root-1.pem --key usb/targets-1.pem
  stillwatch trust sign ceremony --key usb/root-2.pem --key usb/targets-2.pem     (the second person, elsewhere)
  stillwatch trust rotate ceremony --replace root-2 --replace targets-2
  stillwatch trust revoke ceremony KID --proposal proposal.json --key usb/targets-1.pem
  stillwatch trust status ceremony
  manage.py trust_accept ceremony                                            (on the service)
"""
_EXIT_CODES = """\
exit codes:
   0  done: DIR/accept.json is ready, or there is nothing to sign
   1  it cannot be done; the sentence says why, and nothing was written
   2  wrong use, or a file that cannot be read
   3  signed, and more signatures are needed
"""


class _CannotRead(Exception):
    """A file named on the command line cannot be used; the sentence says why."""


def register(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command; its `run` takes the arguments and returns the exit code."""
    parser = commands.add_parser(
        "trust",
        help="keep the publisher's trust root: init, rotate, revoke, sign, status",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EXAMPLES + "\n" + _EXIT_CODES,
        allow_abbrev=False,
    )
    kinds = parser.add_subparsers(dest="what", required=True, metavar="init|rotate|revoke|sign|status")

    def command(name: str, help_: str, act: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = kinds.add_parser(
            name,
            help=help_,
            description=help_[0].upper() + help_[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            epilog=_EXIT_CODES,
            allow_abbrev=False,
        )
        made.add_argument("folder", metavar="DIR", type=Path, help="the ceremony's folder")
        made.set_defaults(run=run, act=act)
        return made

    def keys(made: argparse.ArgumentParser) -> None:
        made.add_argument(
            "--key",
            action="append",
            default=[],
            type=Path,
            metavar="FILE",
            help="a private key to sign with, as often as there are some; default: those in DIR/keys",
        )

    def passphrase(made: argparse.ArgumentParser) -> None:
        made.add_argument(
            "--passphrase-file", type=Path, metavar="FILE", help="opens the keys; default: asked for each"
        )

    init = command("init", "make the offline keys and sign the first root and targets", _init)
    init.add_argument("--keys", type=int, required=True, metavar="N", help="how many people hold keys")
    init.add_argument("--threshold", type=int, required=True, metavar="M", help="how many of them must sign")
    init.add_argument(
        "--proposal", type=Path, required=True, metavar="FILE", help="from manage.py trust_proposal"
    )
    passphrase(init)

    rotate = command(
        "rotate", "draft new targets, and a new root where one is needed, and sign them", _rotate
    )
    rotate.add_argument("--proposal", type=Path, metavar="FILE", help="from manage.py trust_proposal")
    rotate.add_argument(
        "--replace",
        action="append",
        default=[],
        metavar="NAME",
        help="make a new key in place of this: root-2",
    )
    rotate.add_argument("--threshold", type=int, metavar="M", help="how many must sign from now on")
    revoke = command("revoke", "draft targets that revoke a key of the service, and sign them", _revoke)
    revoke.add_argument("kid", metavar="KID", help="the key, as jwks.json calls it")
    how = revoke.add_mutually_exclusive_group(required=True)
    how.add_argument(
        "--proposal", type=Path, metavar="FILE", help="after manage.py revoke_key: with its indexes"
    )
    how.add_argument(
        "--from-index",
        action="append",
        metavar="ORIGIN=N",
        help="the first entry of a log that the key counts for no more; a log that is not named: 0",
    )
    how.add_argument("--from-the-start", action="store_true", help="nothing that the key ever signed counts")
    sign = command("sign", "put further signatures to the draft", _sign)
    for made in (rotate, revoke):
        made.add_argument("--discard-draft", action="store_true", help="drop a draft that stands unsigned")
    for made in (rotate, revoke, sign):
        keys(made)
        passphrase(made)
    status = command("status", "tell what stands, until when, and what is waited for", _status)
    status.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> int:
    """The exit code."""
    try:
        return int(arguments.act(arguments))
    except (CeremonyError, MalformedDocument) as error:
        sys.stderr.write(f"stillwatch: {error}\n")
        return EXIT_FAILED
    except (_CannotRead, UnreadableKey) as error:
        sys.stderr.write(f"stillwatch: {error}\n")
        return EXIT_USAGE


def _init(arguments: argparse.Namespace) -> int:
    ceremony = Ceremony(arguments.folder)
    done = ceremony.init(
        proposal=_proposal(arguments.proposal),
        count=arguments.keys,
        threshold=arguments.threshold,
        passphrase=_new_passphrase(arguments.passphrase_file),
        now=_now(),
    )
    for path in ceremony.key_files():
        _say(f"made {path}")
    _say("hand the keys out, one pair to each person, and leave none in the folder that travels")
    status = ceremony.status()
    _say(
        f"root {status.root_version}, SHA-256 {status.fingerprint}: partners compare it over another channel"
    )
    return _told(done)


def _rotate(arguments: argparse.Namespace) -> int:
    ceremony = Ceremony(arguments.folder)
    given = _given(ceremony, arguments)
    made = ceremony.rotate(
        proposal=None if arguments.proposal is None else _proposal(arguments.proposal),
        replace=arguments.replace,
        threshold=arguments.threshold,
        passphrase=_new_passphrase(arguments.passphrase_file),
        discard_draft=arguments.discard_draft,
        now=_now(),
    )
    for key in made:
        _say(f"made {key.path} in place of {key.name}")
    return _sign_with(ceremony, [*given, *(key.signer for key in made)])


def _revoke(arguments: argparse.Namespace) -> int:
    ceremony = Ceremony(arguments.folder)
    given = _given(ceremony, arguments)
    ceremony.revoke(
        arguments.kid,
        proposal=None if arguments.proposal is None else _proposal(arguments.proposal),
        from_index=_from_index(arguments.from_index or []),
        discard_draft=arguments.discard_draft,
        now=_now(),
    )
    return _sign_with(ceremony, given)


def _sign(arguments: argparse.Namespace) -> int:
    ceremony = Ceremony(arguments.folder)
    return _sign_with(ceremony, _given(ceremony, arguments))


def _status(arguments: argparse.Namespace) -> int:
    status = Ceremony(arguments.folder).status()
    if arguments.json:
        sys.stdout.write(json.dumps(dataclasses.asdict(status), default=str) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(status)) + "\n")
    return EXIT_WAITS if status.drafts else 0


def _given(ceremony: Ceremony, arguments: argparse.Namespace) -> list[Ed25519Signer]:
    """Opened before anything is drafted: a wrong passphrase leaves nothing behind."""
    ask = _passphrase(arguments.passphrase_file)
    return [_load(path, ask) for path in arguments.key or ceremony.key_files()]


def _sign_with(ceremony: Ceremony, signers: list[Ed25519Signer]) -> int:
    status = ceremony.status()
    for line in status.changes:
        _say(f"signs: {line}")
    if status.drafts and not signers:
        for one in status.drafts:
            _say(_waiting(one))
        _say("no key is given: sign it with `stillwatch trust sign`")
        return EXIT_WAITS
    return _told(ceremony.sign(signers))


def _told(done: Signed) -> int:
    if done.by:
        _say(f"signed by {', '.join(done.by)}")
    for name in done.unused:
        _say(f"{name} has nothing to sign here")
    for one in done.waits:
        _say(_waiting(one))
    if done.package is None:
        return EXIT_WAITS
    _say(f"done: give {done.package} to the service: manage.py trust_accept {done.package}")
    return 0


def _waiting(one: Waits) -> str:
    told = f"{one.role} {one.version}: {one.have} of {one.need} signatures"
    if one.is_done:
        return told
    return f"{told}; waits for {one.need - one.have} of {', '.join(one.may_sign)}"


def _lines(status: Status) -> list[str]:
    lines = [
        f"root      {status.root_version}, until {status.root_expires:%Y-%m-%d}, SHA-256 {status.fingerprint}",
        f"targets   {status.targets_version}, until {status.targets_expires:%Y-%m-%d}",
        f"threshold {status.threshold} of {len(status.keys['root'])}",
    ]
    lines += [f"{role:9} {', '.join(names)}" for role, names in status.keys.items()]
    lines += [
        f"key       {kid} ({what}{', revoked' if kid in status.revoked else ''})"
        for kid, what in status.kids.items()
    ]
    lines += [f"draft     {_waiting(one)}" for one in status.drafts]
    lines += [f"draft     {change}" for change in status.changes]
    return lines


def _from_index(texts: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in texts:
        origin, separator, number = text.rpartition("=")
        if not separator or not origin or not (number.isascii() and number.isdigit()):
            raise _CannotRead(f"--from-index {text}: it has the form ORIGIN=N")
        found[origin_digest(origin)] = int(number)
    return found


def _proposal(path: Path) -> Proposal:
    try:
        return Proposal.read(_read(path))
    except MalformedDocument as error:
        raise _CannotRead(f"{path} is no proposal: {error}") from error


def _load(path: Path, passphrase: Callable[[str], bytes]) -> Ed25519Signer:
    pem = _read(path)
    try:
        return load(pem, passphrase(str(path)))
    except UnreadableKey as error:
        raise _CannotRead(f"{path}: {error}") from error


def _passphrase(file: Path | None) -> Callable[[str], bytes]:
    if file is not None:
        secret = _read(file).strip()
        if not secret:
            raise _CannotRead(f"{file} is empty; a passphrase is needed")
        return lambda _: secret
    return lambda name: _asked(f"passphrase for {name}: ")


def _new_passphrase(file: Path | None) -> Callable[[str], bytes]:
    if file is not None:
        return _passphrase(file)

    def ask(name: str) -> bytes:
        first = _asked(f"new passphrase for {name}: ")
        if first != _asked("the same again: "):
            raise _CannotRead("the two passphrases differ")
        return first

    return ask


def _asked(prompt: str) -> bytes:
    try:
        secret = getpass.getpass(prompt).encode()
    except EOFError:
        raise _CannotRead("nobody answers; give a --passphrase-file") from None
    if not secret:
        raise _CannotRead("a passphrase is needed")
    return secret


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise _CannotRead(f"there is no file {path}") from error
    except OSError as error:
        raise _CannotRead(f"cannot read {path}: {error.strerror}") from error


def _now() -> datetime:
    return datetime.now(UTC)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
