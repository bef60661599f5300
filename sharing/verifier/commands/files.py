"""`stillwatch verify page`, `object`, `bundle`, `receipt` and `delivery`: files in, an exit code out, no network.

Whom to trust is in the home (`--home`), or a key set that you name (`--jwks`).
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sharing.signing.keys import KeySet, MalformedKeySet
from sharing.tlog.statements import TLP_LEVELS
from sharing.trust.store import TrustStore
from sharing.verifier import strict_json
from sharing.verifier.bundle import BundleReport, verify_bundle
from sharing.verifier.commands import reaching
from sharing.verifier.commands.outcome import EXIT_CODE_HELP, CannotRead, concluded
from sharing.verifier.failures import Malformed, shown
from sharing.verifier.object import ObjectReport, verify_object
from sharing.verifier.page import PageReport, read_page
from sharing.verifier.receipt import DeliveryReport, ReceiptReport, verify_delivery, verify_receipt

Report = PageReport | ObjectReport | BundleReport | ReceiptReport | DeliveryReport

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


def register(kinds: Any) -> None:
    """Add the commands to those of `stillwatch verify`."""
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
    for said in (stix, receipt, delivery):
        said.add_argument("--jws", required=True, metavar="TEXT|FILE", help="the signature, or a file of it")



def _signature(text_or_file: str) -> str:
    if os.path.isfile(text_or_file):  # noqa: PTH113  Path.is_file raises for a text too long for a file name.
        try:
            text = _read(text_or_file).decode("ascii")
        except UnicodeDecodeError as error:
            raise Malformed(f"{shown(text_or_file)} holds no signature: not ASCII text") from error
        # The line's end belongs to the file, not to the signature; any other white space is refused with it.
        return text.removesuffix("\n").removesuffix("\r")
    if ".." not in text_or_file:
        raise CannotRead(f"--jws {shown(text_or_file)}: neither a file nor a signature (header..signature)")
    return text_or_file


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except FileNotFoundError as error:
        raise CannotRead(f"there is no file {name}") from error
    except OSError as error:
        raise CannotRead(f"cannot read {name}: {error.strerror}") from error



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
    signed_by = f", signed by {', '.join(report.kids)}" if report.kids else ""
    objects = f"{report.objects} object{'' if report.objects == 1 else 's'}"
    if report.start is None or report.end is None:
        return f"verified: {objects} of {shown(report.origin)}{signed_by}; filtered, not known to be complete"
    entries = f"entries {report.start} to {report.end - 1}" if report.end > report.start else "no entries"
    withdrawn = f", {report.withdrawn} withdrawn" if report.withdrawn else ""
    owed = f"; {len(report.owed)} of them by entries of later pages" if report.owed else ""
    return f"verified: {objects} in {entries} of {shown(report.origin)}{withdrawn}{owed}{signed_by}"


