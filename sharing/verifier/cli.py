"""`stillwatch`, the partner's command: files in, one line out, an exit code that says what was found."""

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from sharing.signing.keys import KeySet, MalformedKeySet
from sharing.submitter import cli as submitter
from sharing.submitter import keys_cli
from sharing.tlog.statements import TLP_LEVELS
from sharing.verifier import blind, strict_json, template
from sharing.verifier.disclosure import DisclosureReport, verify_disclosure
from sharing.verifier.failures import Malformed, VerificationFailed, shown
from sharing.verifier.object import ObjectReport, verify_object
from sharing.verifier.page import PageReport, verify_page
from sharing.verifier.receipt import DeliveryReport, ReceiptReport, verify_delivery, verify_receipt

Report = PageReport | ObjectReport | ReceiptReport | DeliveryReport | DisclosureReport

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_EXIT_CODES = """\
exit codes:
   0  verified
   2  wrong use, or a file that cannot be read
  10  bad or missing signature
  11  altered
  12  dropped or truncated
  13  out of order, or twice
  18  signed with an unknown or revoked key
  20  malformed
  21  above the collection's TLP ceiling
"""

_PAGE_EXAMPLES = """\
examples:
  curl -u "$ID:$SECRET" -H 'Accept: application/taxii+json;version=2.1' \\
      "$API_ROOT/collections/$COLLECTION/objects/?proof=1" > page.json
  curl "https://$HOST/.well-known/jwks.json" > jwks.json
  stillwatch verify page page.json --jwks jwks.json --ceiling amber
  gunzip -c page.json.gz | stillwatch verify page - --jwks jwks.json --json
"""

_OBJECT_EXAMPLES = """\
examples:
  stillwatch verify object indicator.json --jws indicator.jws --jwks jwks.json
  stillwatch verify object indicator.json --jws "$HEADER..$SIGNATURE" --jwks jwks.json
"""

_RECEIPT_EXAMPLES = """\
examples:
  curl -D head.txt -H "Authorization: Bearer $TOKEN" "$HOST/api/v1/submissions/$ID/" > receipt.json
  grep -i ^stillwatch-signature: head.txt | tr -d '\\r' | cut -d' ' -f2 > receipt.jws
  stillwatch verify receipt receipt.json --jws receipt.jws --jwks jwks.json --sent bundle.json
"""


_DISCLOSURE_EXAMPLES = """\
examples:
  curl -H "Authorization: Bearer $TOKEN" "$HOST/trust/objects/$ID/$VERSION" > bundle.json
  stillwatch verify disclosure bundle.json --submitter-jwks acme.jwks.json
"""


class _CannotRead(Exception):
    """A file named on the command line cannot be read; the sentence says why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code; argparse leaves by SystemExit for --help and wrong use."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if "run" in arguments:
        try:
            return int(arguments.run(arguments))
        except KeyboardInterrupt:
            return EXIT_INTERRUPTED
    files = (getattr(arguments, name, None) for name in ("file", "jwks", "sent", "notice", "submitter_jwks"))
    if [*files].count("-") > 1:
        parser.error("only one file can be standard input")
    try:
        report = _verify(arguments)
    except _CannotRead as error:
        sys.stderr.write(f"stillwatch: {error}\n")
        return EXIT_USAGE
    except VerificationFailed as failure:
        if arguments.json:
            _print(_json_failure(failure))
        else:
            sys.stderr.write(f"stillwatch: NOT VERIFIED ({failure.code}): {failure.sentence}\n")
        return failure.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    _print(_json_report(report) if arguments.json else _summary(report))
    return 0


def _verify(arguments: argparse.Namespace) -> Report:
    if arguments.what == "disclosure":
        named = arguments.submitter_jwks
        own = None if named is None else _key_set(_read(named))
        notice = None if arguments.notice is None else _read(arguments.notice)
        return verify_disclosure(_read(arguments.file), own, notice=notice)
    keys = _key_set(_read(arguments.jwks))
    if arguments.what == "page":
        return verify_page(_read(arguments.file), keys, ceiling=arguments.ceiling)
    if arguments.what == "receipt":
        sent = None if arguments.sent is None else _read(arguments.sent)
        return verify_receipt(_read(arguments.file), _signature(arguments.jws), keys, sent=sent)
    if arguments.what == "delivery":
        return verify_delivery(_read(arguments.file), _signature(arguments.jws), keys)
    return verify_object(_read(arguments.file), _signature(arguments.jws), keys)


def _key_set(raw: bytes) -> KeySet:
    try:
        return KeySet.from_jwks(strict_json.read(raw))
    except (MalformedKeySet, Malformed) as error:
        raise Malformed(f"the key set: {error}") from error


def _signature(text_or_file: str) -> str:
    if os.path.isfile(text_or_file):  # noqa: PTH113  Path.is_file raises for a text too long for a file name.
        try:
            text = _read(text_or_file).decode("ascii")
        except UnicodeDecodeError as error:
            raise Malformed(f"{shown(text_or_file)} holds no signature: not ASCII text") from error
        # The line's end belongs to the file, not to the signature; any other white space is refused with it.
        return text.removesuffix("\n").removesuffix("\r")
    if ".." not in text_or_file:
        raise _CannotRead(f"--jws {shown(text_or_file)}: neither a file nor a signature (header..signature)")
    return text_or_file


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except FileNotFoundError as error:
        raise _CannotRead(f"there is no file {name}") from error
    except OSError as error:
        raise _CannotRead(f"cannot read {name}: {error.strerror}") from error


def _summary(report: Report) -> str:
    if isinstance(report, ObjectReport):
        return f"verified: {shown(report.object_id)} version {shown(report.version)}, signed by {report.kid}"
    if isinstance(report, ReceiptReport):
        return (
            f"verified: receipt {shown(report.receipt_id)}, {shown(report.state)},"
            f" {report.objects} object{'' if report.objects == 1 else 's'}, as of {shown(report.at)},"
            f" by {shown(report.issuer)}, signed by {report.kid}"
        )
    if isinstance(report, DeliveryReport):
        return (
            f"verified: delivery {shown(report.delivery_id)} ({shown(report.kind)}) of {shown(report.at)},"
            f" by {shown(report.issuer)}, signed by {report.kid}"
        )
    if isinstance(report, DisclosureReport):
        signed = f", signed by its submitter's key {report.kid}" if report.kid else ""
        return (
            f"verified: {shown(report.object_id)} version {shown(report.version)} was submitted by organisation"
            f" {report.organization} in submission {report.submission}{signed}"
        )
    signed_by = f", signed by {', '.join(report.kids)}" if report.kids else ""
    objects = f"{report.objects} object{'' if report.objects == 1 else 's'}"
    if report.start is None or report.end is None:
        return f"verified: {objects} of {shown(report.origin)}{signed_by}; filtered, not known to be complete"
    entries = f"entries {report.start} to {report.end - 1}" if report.end > report.start else "no entries"
    withdrawn = f", {report.withdrawn} withdrawn" if report.withdrawn else ""
    owed = f"; {len(report.owed)} of them by entries of later pages" if report.owed else ""
    return f"verified: {objects} in {entries} of {shown(report.origin)}{withdrawn}{owed}{signed_by}"


def _json_report(report: Report) -> str:
    return json.dumps({"verified": True, **dataclasses.asdict(report)})


def _json_failure(failure: VerificationFailed) -> str:
    return json.dumps(
        {
            "verified": False,
            "exit_code": failure.exit_code,
            "code": failure.code,
            "sentence": failure.sentence,
            "index": failure.index,
            "object_id": failure.object_id,
        }
    )


def _print(line: str) -> None:
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone. The verdict is in the exit code; Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="stillwatch",
        description="Checks a Stillwatch feed offline, trusting nobody but the publisher's keys; blinds what may not\n"
        "be sent in the clear, prepares what is submitted, and submits it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_PAGE_EXAMPLES + "\n" + _EXIT_CODES,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    verify = commands.add_parser(
        "verify",
        help="verify a page, an object, a receipt or a webhook's delivery",
        description="Verifies a page, an object, a receipt or a webhook's delivery.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EXIT_CODES,
    )
    blind.register(commands)
    template.register(commands)
    submitter.register(commands)
    keys_cli.register(commands)
    kinds = verify.add_subparsers(
        dest="what", required=True, metavar="page|object|receipt|delivery|disclosure"
    )

    page = kinds.add_parser(
        "page",
        help="a TAXII page asked for with proof=1",
        description="Verifies a TAXII envelope that was asked for with proof=1: every signature, and, if no\n"
        "filter was used, that nothing on the page was altered, dropped, reordered or doubled.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_PAGE_EXAMPLES + "\n" + _EXIT_CODES,
    )
    page.add_argument("file", metavar="FILE", help="the envelope; - reads standard input")
    page.add_argument("--ceiling", choices=TLP_LEVELS, help="the most restricted TLP level you expect")

    stix = kinds.add_parser(
        "object",
        help="one object and its detached signature",
        description="Verifies one STIX object, in any JSON layout, against its detached signature.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_OBJECT_EXAMPLES + "\n" + _EXIT_CODES,
    )
    stix.add_argument("file", metavar="FILE", help="the object; - reads standard input")

    receipt = kinds.add_parser(
        "receipt",
        help="the receipt of a submission and its detached signature",
        description="Verifies a receipt, in any JSON layout, against the signature of its header\n"
        "Stillwatch-Signature: the service said what became of each object.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_RECEIPT_EXAMPLES + "\n" + _EXIT_CODES,
    )
    receipt.add_argument("file", metavar="FILE", help="the receipt; - reads standard input")
    receipt.add_argument("--sent", metavar="FILE", help="what was sent: is the receipt about these bytes?")
    delivery = kinds.add_parser(
        "delivery",
        help="the body of a webhook's delivery and its detached signature",
        description="Verifies the body of a webhook's delivery, in any JSON layout, against the signature of its\n"
        "header Stillwatch-Signature. Whether its id was seen before is the receiver's to know.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EXIT_CODES,
    )
    delivery.add_argument("file", metavar="FILE", help="the body; - reads standard input")
    disclosure = kinds.add_parser(
        "disclosure",
        help="who submitted an object, once that was disclosed to you",
        description="Verifies that the submitter record which an offline bundle opens is the one that the log has\n"
        "committed to since the object was published, and that the submitter's own signature in it is by a key that\n"
        "the submitter gave you.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_DISCLOSURE_EXAMPLES + "\n" + _EXIT_CODES,
    )
    disclosure.add_argument("file", metavar="FILE", help="the bundle; - reads standard input")
    disclosure.add_argument(
        "--notice",
        metavar="FILE",
        help="the notice submitter.disclosed, or its delivery, where FILE opens nothing",
    )
    disclosure.add_argument(
        "--submitter-jwks",
        metavar="FILE",
        help="the submitter's own keys, as `stillwatch keys show` prints them",
    )
    disclosure.add_argument("--json", action="store_true", help="print the result, good or bad, as JSON")
    for said in (stix, receipt, delivery):
        said.add_argument("--jws", required=True, metavar="TEXT|FILE", help="the signature, or a file of it")

    for kind in (page, stix, receipt, delivery):
        kind.add_argument(
            "--jwks", required=True, metavar="FILE", help="the publisher's keys; - for standard input"
        )
        kind.add_argument("--json", action="store_true", help="print the result, good or bad, as JSON")
    return parser
