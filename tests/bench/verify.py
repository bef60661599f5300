"""What a consumer spends on verifying: objects a second of processor time, on pages of 1,000 ordinary objects."""

import gc
import json
import time
from collections.abc import Sequence
from hashlib import sha256

import rfc8785

from sharing.signing.jws import sign_object
from sharing.signing.keys import KeySet, PublishedKey, generate, jwks
from sharing.tlog import page as pages
from sharing.tlog.statements import add_statement, entry
from sharing.verifier.page import verify_page
from tests.bench import material
from tests.bench.bench import say
from tests.bench.table import Row, at_least

TARGET = 5_000
_ORIGIN = "feed.example/log/6f1b2a52-3f0a-4a53-9d0e-0d1f5ad8f0c1"
_PAGE = 1_000


def run(quick: bool) -> list[Row]:
    """The best of some rounds over pages as the service sends them, and laid out anew by a proxy."""
    say("verify: pages of 1,000 objects, one core")
    served, keys = _pages(2 if quick else 10)
    anew = [json.dumps(json.loads(page), indent=1).encode() for page in served[:2]]
    rounds = 1 if quick else 5
    return [
        _row("objects a second of pages as served", served, keys, rounds, TARGET),
        _row("laid out anew by a proxy", anew, keys, rounds, None),
    ]


def _row(what: str, served: Sequence[bytes], keys: KeySet, rounds: int, target: float | None) -> Row:
    rates = []
    for _ in range(rounds):
        gc.collect()
        begun = time.process_time()
        for page in served:
            assert verify_page(page, keys).objects == _PAGE
        rates.append(len(served) * _PAGE / (time.process_time() - begun))
    behind = (
        f"{len(served)} pages, {sum(map(len, served)) // len(served) / _PAGE:,.0f} bytes an object with proof"
    )
    return at_least("verify", what, max(rates), target, behind)


def _pages(count: int) -> tuple[list[bytes], KeySet]:
    signer = generate()
    served = []
    for number in range(count):
        start, bodies, openings = number * _PAGE, [], []
        for place, stix in enumerate(material.objects(_PAGE, number)):
            body = rfc8785.dumps(stix)
            salt = sha256(b"%d" % (start + place)).digest()
            statement = add_statement(
                object_id=stix["id"],
                version=stix.get("modified", "-"),
                sha256=sha256(body).digest(),
                tlp="green",
                added=1_767_225_600_000_000 + start + place,
                sub=entry(salt, body)[1:],
            )
            bodies.append(body)
            openings.append(pages.opening(salt, statement, sign_object(signer, body)))
        proof = pages.log_property(_ORIGIN, start, start + _PAGE, b",".join(openings))
        served.append(b'{"more":true,"next":"%d","objects":[%b],%b}' % (start, b",".join(bodies), proof))
    return served, KeySet.from_jwks(jwks([PublishedKey(signer.public_jwk())]))
