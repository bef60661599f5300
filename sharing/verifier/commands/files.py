"""`stillwatch verify page`, `object`, `bundle`, `receipt`, `delivery`, `disclosure`: files in, an exit code out.

There is no network here. Whom to trust is in the home (`--home`), or a key set that you name (`--jwks`).
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sharing.signing.keys import KeySet, MalformedKeySet
from sharing.submitter.connection import WrongUse
from sharing.tlog.statements import TLP_LEVELS
from sharing.verifier import envelope, strict_json
from sharing.verifier.bundle import BundleReport, verify_bundle
from sharing.verifier.commands import options
from sharing.verifier.commands.outcome import EXIT_CODE_HELP, CannotRead, concluded
from sharing.verifier.disclosure import DisclosureReport, verify_disclosure
from sharing.verifier.failures import Malformed, shown
from sharing.verifier.object import ObjectReport, verify_object
from sharing.verifier.page import PageReport, read_page
from sharing.verifier.receipt import DeliveryReport, ReceiptReport, verify_delivery, verify_receipt

if TYPE_CHECKING:
    from sharing.trust.store import TrustStore

Report = PageReport | ObjectReport | BundleReport | ReceiptReport | DeliveryReport | DisclosureReport

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


_BUNDLE_EXAMPLES = """\
examples:
  curl -H "Authorization: Bearer $TOKEN" "$HOST/trust/objects/$ID/$VERSION" > bundle.json
  stillwatch verify bundle bundle.json
"""

_DISCLOSURE_EXAMPLES = """\
examples:
  curl -H "Authorization: Bearer $TOKEN" "$HOST/trust/objects/$ID/$VERSION" > bundle.json
  stillwatch verify disclosure bundle.json --submitter-jwks acme.jwks.json
"""


def register(kinds: Any) -> None:
    """Add the commands to those of `stillwatch verify`."""
    page = kinds.add_parser(
        "page",
        help="a TAXII page asked for with proof=1",
        description="Verifies a TAXII envelope that was asked for with proof=1: every signature, and, if no\n"
        "filter was used, that nothing on the page was altered, dropped, reordered or doubled.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_PAGE_EXAMPLES + "\n" + EXIT_CODE_HELP,
    )
    page.add_argument("file", metavar="FILE", help="the envelope; - reads standard input")
    page.add_argument("--ceiling", choices=TLP_LEVELS, help="the most restricted TLP level you expect")

    stix = kinds.add_parser(
        "object",
        help="one object and its detached signature",
        description="Verifies one STIX object, in any JSON layout, against its detached signature.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_OBJECT_EXAMPLES + "\n" + EXIT_CODE_HELP,
    )
    stix.add_argument("file", metavar="FILE", help="the object; - reads standard input")

    receipt = kinds.add_parser(
        "receipt",
        help="the receipt of a submission and its detached signature",
        description="Verifies a receipt, in any JSON layout, against the signature of its header\n"
        "Stillwatch-Signature: the service said what became of each object.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_RECEIPT_EXAMPLES + "\n" + EXIT_CODE_HELP,
    )
    receipt.add_argument("file", metavar="FILE", help="the receipt; - reads standard input")
    receipt.add_argument("--sent", metavar="FILE", help="what was sent: is the receipt about these bytes?")
    delivery = kinds.add_parser(
        "delivery",
        help="the body of a webhook's delivery and its detached signature",
        description="Verifies the body of a webhook's delivery, in any JSON layout, against the signature of its\n"
        "header Stillwatch-Signature. Whether its id was seen before is the receiver's to know.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EXIT_CODE_HELP,
    )
    delivery.add_argument("file", metavar="FILE", help="the body; - reads standard input")
    for said in (stix, receipt, delivery):
        said.add_argument("--jws", required=True, metavar="TEXT|FILE", help="the signature, or a file of it")

    bundle = kinds.add_parser(
        "bundle",
        help="an object with all that proves it, from /trust/objects/",
        description="Verifies an offline bundle: the object's signature, its entry in the log, and the log's\n"
        "checkpoint with its witnesses. Nothing is asked of any network.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_BUNDLE_EXAMPLES + "\n" + EXIT_CODE_HELP,
    )
    bundle.add_argument("file", metavar="FILE", help="the bundle; - reads standard input")
    bundle.add_argument(
        "--max-age",
        type=options.seconds,
        metavar="AGE",
        help="how old its checkpoint may be: 30m, 24h, 7d; any age unless given",
    )
    disclosure = kinds.add_parser(
        "disclosure",
        help="who submitted an object, once that was disclosed to you",
        description="Verifies an offline bundle, that the submitter record which it opens is the one that the log has\n"
        "committed to since the object was published, and that the submitter's own signature in it is by a key that\n"
        "the submitter gave you.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_DISCLOSURE_EXAMPLES + "\n" + EXIT_CODE_HELP,
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
    for kind, run in (
        (page, _page),
        (stix, _object),
        (bundle, _bundle),
        (receipt, _receipt),
        (delivery, _delivery),
        (disclosure, _disclosure),
    ):
        if kind in (bundle, disclosure):
            options.add_without_witnesses(kind)
        else:
            kind.add_argument(
                "--jwks", metavar="FILE", help="trust these keys instead of the home's; - for standard input"
            )
        options.add_home(kind)
        kind.add_argument("--json", action="store_true", help="print the result, good or bad, as JSON")
        kind.set_defaults(run=_concluded(run), error=kind.error)


def _concluded(run: Callable[[argparse.Namespace], Report]) -> Callable[[argparse.Namespace], int]:
    def concluding(arguments: argparse.Namespace) -> int:
        named = ("file", "jwks", "sent", "notice", "submitter_jwks")
        if [getattr(arguments, name, None) for name in named].count("-") > 1:
            arguments.error("only one file can be standard input")
        return concluded(lambda: run(arguments), _summary, as_json=arguments.json)

    return concluding


def _page(arguments: argparse.Namespace) -> PageReport:
    keys, store = _trusted(arguments)
    ceiling, revoked = arguments.ceiling, None
    raw = _read(arguments.file)
    if store is not None:
        origin = envelope.read(raw).origin
        ceiling = ceiling or store.ceiling(origin)
        revoked = _revoked(store)
    return read_page(raw, keys, ceiling=ceiling, revoked=revoked).report


def _object(arguments: argparse.Namespace) -> ObjectReport:
    keys, store = _trusted(arguments)
    revoked = None if store is None else _revoked(store)
    return verify_object(_read(arguments.file), _signature(arguments.jws), keys, revoked=revoked)


def _bundle(arguments: argparse.Namespace) -> BundleReport:
    return verify_bundle(
        _read(arguments.file),
        _store(arguments),
        now=int(time.time()),
        max_age=arguments.max_age,
        witnessed=not arguments.without_witnesses,
    )


def _receipt(arguments: argparse.Namespace) -> ReceiptReport:
    keys, store = _trusted(arguments)
    sent = None if arguments.sent is None else _read(arguments.sent)
    revoked = None if store is None else _revoked(store)
    return verify_receipt(_read(arguments.file), _signature(arguments.jws), keys, sent=sent, revoked=revoked)


def _delivery(arguments: argparse.Namespace) -> DeliveryReport:
    keys, store = _trusted(arguments)
    revoked = None if store is None else _revoked(store)
    return verify_delivery(_read(arguments.file), _signature(arguments.jws), keys, revoked=revoked)


def _disclosure(arguments: argparse.Namespace) -> DisclosureReport:
    named = arguments.submitter_jwks
    own = None if named is None else _key_set(_read(named))
    notice = None if arguments.notice is None else _read(arguments.notice)
    return verify_disclosure(
        _read(arguments.file),
        _store(arguments),
        own,
        now=int(time.time()),
        notice=notice,
        witnessed=not arguments.without_witnesses,
    )


def _key_set(raw: bytes) -> KeySet:
    try:
        return KeySet.from_jwks(strict_json.read(raw))
    except (MalformedKeySet, Malformed) as error:
        raise Malformed(f"the key set: {error}") from error


def _trusted(arguments: argparse.Namespace) -> tuple[KeySet, "TrustStore | None"]:
    """The keys of --jwks, which says nothing of revocations; or those of the home."""
    if arguments.jwks is None:
        store = _store(arguments)
        return store.keys, store
    return _key_set(_read(arguments.jwks)), None


def _store(arguments: argparse.Namespace) -> "TrustStore":
    """The home's, as it was fetched last: files are verified without a network."""
    # Here, so that what needs no trust root starts without it.
    from sharing.trust.store import TrustStore

    at = options.home_of(arguments)
    if not TrustStore.exists(at):
        raise WrongUse(
            f"nothing is trusted in {at} yet: stillwatch verify init, or name a key set with --jwks"
        )
    store = TrustStore(at)
    store.recall(datetime.now(UTC))
    return store


def _revoked(store: "TrustStore") -> Callable[[str], int | None]:
    """Without a checkpoint nobody knows whether a signature is older than the revocation of its key."""
    return lambda kid: 0 if kid in store.revocations.keys else None


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
    if isinstance(report, BundleReport):
        by = f", cosigned by {', '.join(map(shown, report.witnesses))}" if report.witnesses else ""
        alone = "" if report.witnessed else "; WITNESSES NOT ASKED FOR"
        alone += "" if report.ceiling else "; NO CEILING IS KNOWN of this log: of an inbox nobody says it"
        when = datetime.fromtimestamp(report.timestamp, UTC).isoformat().replace("+00:00", "Z")
        return (
            f"verified: {shown(report.object_id)} version {shown(report.version)} is entry {report.index} of"
            f" {shown(report.origin)}, TLP {report.tlp}, signed by {report.kid}; checkpoint of {report.size} entries"
            f" as of {when}{by}{alone}"
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
