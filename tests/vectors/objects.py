"""Vectors of objects and what the log says of them."""

import json
from hashlib import sha256
from typing import Any

import rfc8785

from sharing.signing.base64url import encode as b64u
from sharing.signing.jws import RECEIPT, sign, sign_object
from sharing.signing.keys import PublishedKey, from_seed, jwks
from sharing.tlog import notes, proofs, statements
from sharing.tlog.notes import Note
from sharing.tlog.page import PROPERTY
from tests.sharing.verifier.log_simulator import ORIGIN, RED, LogSimulator, altered, an_indicator, restate
from tests.vectors.world import LOG, LOG_KEYS, NOW, OBJECT_KEY, POLICY, WITNESSES, Case, bad, good, seed


def object_signatures() -> dict[str, Any]:
    stix = an_indicator(1)
    text = rfc8785.dumps(stix).decode()
    jws = sign_object(OBJECT_KEY, text.encode())
    header, signature = jws.split("..")
    flipped = "A" if signature[0] != "A" else "B"
    other = from_seed(seed("stranger"))

    def with_header(raw: str) -> str:
        encoded = b64u(raw.encode())
        body = b64u(text.encode())
        return f"{encoded}..{b64u(OBJECT_KEY.sign(f'{encoded}.{body}'.encode()))}"

    kid = OBJECT_KEY.kid
    cases = [
        good("canonical", object=text, jws=jws, canonical=text, kid=kid),
        good("another layout", object=json.dumps(stix, indent=2), jws=jws, canonical=text, kid=kid),
        good("members in another order", object=json.dumps(dict(reversed(stix.items()))), jws=jws, canonical=text,
             kid=kid),
        bad("a field is altered", 10, object=text.replace('"confidence":80', '"confidence":81'), jws=jws),
        bad("a field is added", 10, object=text[:-1] + ',"x":1}', jws=jws),
        bad("signed by a stranger", 18, object=text, jws=sign_object(other, text.encode())),
        bad("a bit of the signature", 10, object=text, jws=f"{header}..{flipped}{signature[1:]}"),
        bad("signed as a receipt", 20, object=text, jws=sign(OBJECT_KEY, text.encode(), typ=RECEIPT)),
        bad("no dots", 20, object=text, jws=header + signature),
        bad("the body within", 20, object=text, jws=f"{header}.e30.{signature}"),
        bad("padding", 20, object=text, jws=jws + "=="),
        bad("a short signature", 20, object=text, jws=jws[:-4]),
        bad("alg EdDSA", 20, object=text, jws=with_header(f'{{"alg":"EdDSA","kid":"{kid}","typ":"stix-object+jws"}}')),
        bad("alg none", 20, object=text, jws=with_header(f'{{"alg":"none","kid":"{kid}","typ":"stix-object+jws"}}')),
        bad("header in another order", 20, object=text,
            jws=with_header(f'{{"kid":"{kid}","alg":"Ed25519","typ":"stix-object+jws"}}')),
        bad("header with white space", 20, object=text,
            jws=with_header(f'{{"alg": "Ed25519","kid":"{kid}","typ":"stix-object+jws"}}')),
        bad("header with b64", 20, object=text,
            jws=with_header(f'{{"alg":"Ed25519","b64":false,"kid":"{kid}","typ":"stix-object+jws"}}')),
        bad("header with a key", 20, object=text,
            jws=with_header(f'{{"alg":"Ed25519","jwk":{{}},"kid":"{kid}","typ":"stix-object+jws"}}')),
        bad("duplicate key", 20, object=text.replace('"confidence":80', '"confidence":80,"confidence":80'), jws=jws),
        bad("NaN", 20, object=text.replace('"confidence":80', '"confidence":NaN'), jws=jws),
        bad("an integer beyond 2^53-1", 20, object=text.replace('"confidence":80', '"confidence":9007199254740992'),
            jws=jws),
        bad("a lone surrogate", 20, object=text.replace('"Résumé 1"', '"\\ud800"'), jws=jws),
        bad("U+0000", 20, object=text.replace('"Résumé 1"', '"\\u0000"'), jws=jws),
        bad("33 levels", 20, object=text[:-1] + ',"x":' + "[" * 32 + "]" * 32 + "}", jws=jws),
        bad("no object", 20, object="[]", jws=jws),
        bad("more after the object", 20, object=text + "{}", jws=jws),
    ]  # fmt: skip
    return {
        "about": "One STIX object as served, and its detached signature. canonical: what is signed (RFC 8785).",
        "jwks": jwks([PublishedKey(OBJECT_KEY.public_jwk())]),
        "cases": cases,
    }


def statement_vectors() -> dict[str, Any]:
    salt, sub, digest = seed("salt"), seed("sub"), sha256(b"{}").digest()
    added = statements.add_statement(
        object_id="indicator--00000000-0000-4000-8000-000000000001",
        version="2026-01-02T00:00:00.000Z",
        sha256=digest,
        tlp="amber+strict",
        added=1_767_225_600_000_001,
        sub=sub,
    ).decode()
    unversioned = statements.add_statement(
        object_id='odd--"\\é\u2028\x01', version="-", sha256=digest, tlp="clear", added=0, sub=sub
    ).decode()
    withdrawals = [
        statements.withdraw_statement(target=2**53 - 1, reason=reason, added=2**53 - 1).decode()
        for reason in statements.Reason
    ]

    def entered(name: str, text: str) -> Case:
        made = statements.entry(salt, text.encode())
        leaf = statements.leaf_hash(made)
        return good(name, statement=text, salt=salt.hex(), entry=made.hex(), leaf=leaf.hex())

    withdrawn = withdrawals[0]
    faults = {
        "white space": added.replace(",", ", ", 1),
        "another order": '{"id":"x",'
        + added[1:].replace('"id":"indicator--00000000-0000-4000-8000-000000000001",', ""),
        "a member more": added[:-1] + ',"x":1}',
        "a member twice": added[:-1] + ',"v":1}',
        "no sub": added.replace(
            f'"sub":"{added.split(chr(34) + "sub" + chr(34) + ":" + chr(34))[1][:43]}",', ""
        ),
        "version 2": added.replace('"v":1', '"v":2'),
        "another operation": added.replace('"add"', '"append"'),
        "TLP 1": added.replace('"amber+strict"', '"white"'),
        "a negative time": added.replace("1767225600000001", "-1"),
        "a time with a fraction": added.replace("1767225600000001", "1767225600000001.0"),
        "a time beyond 2^53-1": added.replace("1767225600000001", "9007199254740992"),
        "an escape that is not needed": added.replace("indicator--", "\\u0069ndicator--"),
        "a digest of 31 bytes": added.replace(added.split('"sha256":"')[1][:43], "A" * 42),
        "a digest with padding": added.replace(added.split('"sha256":"')[1][:43], "A" * 43 + "="),
        "U+0000": added.replace("indicator--", "\\u0000"),
        "a reason that there is not": withdrawn.replace('"error"', '"because"'),
        "a target that is no number": withdrawn.replace(f'"target":{2**53 - 1}', '"target":"1"'),
        "no JSON": "add",
        "an array": "[]",
        "nothing": "",
    }
    return {
        "about": "Statements, and the entry (33 bytes) and leaf hash that a salt makes of them.",
        "cases": [
            entered("add", added),
            entered("add without a version", unversioned),
            *(
                entered(f"withdraw, {reason}", text)
                for reason, text in zip(statements.Reason, withdrawals, strict=True)
            ),
            *(bad(name, statement=text) for name, text in faults.items()),
        ],
    }  # fmt: skip


def pages() -> dict[str, Any]:
    page = LOG.page()
    cases = [
        good("all entries", page=page.decode(), objects=5, start=0, end=7, withdraws=[1], owed=[]),
        good("a page of the middle", page=LOG.page(1, 4).decode(), objects=2, start=1, end=4, withdraws=[],
             owed=[[1, 5]]),
        good("an empty page", page=LOG.page(7, 7).decode(), objects=0, start=7, end=7, withdraws=[], owed=[]),
        good("filtered", page=LOG.filtered_page([0, 3]).decode(), objects=2, start=None, end=None, withdraws=[],
             owed=[]),
        good("at the ceiling", page=page.decode(), ceiling="amber", objects=5, start=0, end=7, withdraws=[1], owed=[]),
        bad("above the ceiling", 21, page=page.decode(), ceiling="green"),
    ]  # fmt: skip

    def attack(name: str, code: int, change: Any) -> None:
        with altered(page) as (envelope, entries, rewritten):
            change(envelope, entries)
        cases.append(bad(name, code, page=rewritten().decode()))

    def swap(sequence: list[Any], one: int, two: int) -> None:
        sequence[one], sequence[two] = sequence[two], sequence[one]

    def tlp_twice(envelope: Case, entries: list[Case]) -> None:
        envelope["objects"][0]["object_marking_refs"] = [RED]
        restate(entries[0], tlp="clear")

    def entries_swapped(envelope: Case, entries: list[Case]) -> None:
        swap(envelope["objects"], 0, 1)
        swap(entries, 0, 2)

    def signatures_swapped(envelope: Case, entries: list[Case]) -> None:
        entries[0]["jws"], entries[2]["jws"] = entries[2]["jws"], entries[0]["jws"]

    def erased(envelope: Case, entries: list[Case]) -> None:
        entries[2] = {"commit": entries[1]["commit"], "withdrawn_by": 6}
        del envelope["objects"][1]

    attack("a field is altered", 11, lambda e, _: e["objects"][0].update(confidence=81))
    attack("the TLP is altered", 11, lambda e, _: e["objects"][0].update(object_marking_refs=[RED]))
    attack("the statement's TLP is altered", 11, tlp_twice)
    attack("an object is dropped", 12, lambda e, _: e["objects"].pop(1))
    attack("an object and its entry are dropped", 12, lambda e, n: (e["objects"].pop(0), n.pop(0)))
    attack("the tail is hidden", 12, lambda e, n: (e["objects"].pop(), n.pop()))
    attack("an object is injected", 11, lambda e, _: e["objects"].append(an_indicator(99)))
    attack("an object stands there twice", 13, lambda e, _: e["objects"].append(e["objects"][0]))
    attack("objects are swapped", 13, lambda e, _: swap(e["objects"], 0, 1))
    attack("entries are swapped", 13, entries_swapped)
    attack("an entry stands there twice", 13, lambda e, n: n.append(n[0]))
    attack("signatures are swapped", 10, signatures_swapped)
    attack("a signature is stripped", 10, lambda e, n: n[0].pop("jws"))
    attack("an erased entry without its withdrawal", 12, erased)
    attack("the withdrawal of another entry", 12, lambda e, n: restate(n[5], target=6))
    attack("another version of the format", 20, lambda e, _: e[PROPERTY].update(v=2))
    attack("no proof", 20, lambda e, _: e.pop(PROPERTY))
    attack("a short salt", 20, lambda e, n: n[0].update(salt="AAAA"))
    attack("a member more in an entry", 20, lambda e, n: n[0].update(x=1))
    attack("the statement with white space", 20, lambda e, n: n[0].update(stmt=n[0]["stmt"] + " "))
    attack("another origin", 20, lambda e, _: e[PROPERTY].update(origin="feed.example"))
    cases.append(
        bad("a duplicate key", 20, page=page.decode().replace('"more":false', '"more":true,"more":false'))
    )
    cases.append(bad("no JSON", 20, page=page.decode()[:-1]))
    stranger = LogSimulator(from_seed(seed("stranger")), log_keys=LOG_KEYS)
    stranger.publish(an_indicator(0))
    cases.append(bad("signed by a stranger", 18, page=stranger.page().decode()))
    return {
        "about": "TAXII pages asked for with proof=1, checked by themselves: no checkpoint is looked at. withdraws:"
        " what the page's statements erase. owed: [index, withdrawn_by] of tombstones whose statement comes later.",
        "jwks": jwks([PublishedKey(OBJECT_KEY.public_jwk())]),
        "cases": cases,
    }


def bundles() -> dict[str, Any]:
    cosigners = [WITNESSES["one"], WITNESSES["two"]]
    checkpoint = LOG.signed_checkpoint(timestamp=NOW, witnesses=cosigners)
    text = LOG.bundle(3, checkpoint).decode()

    def changed(**members: Any) -> str:
        return json.dumps(json.loads(text) | members)

    whole = json.loads(text)
    record = rfc8785.dumps({"submitter": "identity--00000000-0000-4000-8000-00000000000a"})
    opened = LOG.fork()
    index = opened.publish(an_indicator(7), subsalt=seed("subsalt"), record=record)
    disclosed = opened.bundle(index, opened.signed_checkpoint(timestamp=NOW, witnesses=cosigners))
    with_sub = json.loads(disclosed)
    with_sub["opening"]["sub"] = {"salt": b64u(seed("subsalt")), "record": record.decode()}
    swapped = json.loads(json.dumps(with_sub))
    swapped["opening"]["sub"]["record"] = record.decode().replace("0a", "0b")
    forged = LOG.fork()
    forged_index = forged.publish(an_indicator(8))
    not_logged = json.loads(forged.bundle(forged_index, forged.signed_checkpoint(timestamp=NOW)))
    not_logged["proof"] = bytes(proofs.TlogProof(3, LOG.proof(3, checkpoint).hashes, checkpoint)).decode()
    note = notes.read(checkpoint)
    stripped = bytes(Note(note.text, note.signatures[:1] + note.signatures[2:]))
    stranger = json.loads(text)
    stranger["opening"]["jws"] = sign_object(from_seed(seed("stranger")), LOG.entries[3].body or b"")
    faults = {
        "a field is altered": (11, changed(object=whole["object"] | {"confidence": 81})),
        "another object's signature": (10, changed(opening=whole["opening"] | {"jws": LOG.signature(0)})),
        "no signature": (10, changed(opening={k: v for k, v in whole["opening"].items() if k != "jws"})),
        "signed by a stranger": (18, json.dumps(stranger)),
        "another salt": (11, changed(opening=whole["opening"] | {"salt": "A" * 43})),
        "never logged": (11, json.dumps(not_logged)),
        "the proof of another entry": (11, changed(proof=bytes(LOG.proof(2, checkpoint)).decode())),
        "too few witnesses": (
            17,
            LOG.bundle(3, LOG.signed_checkpoint(timestamp=NOW, witnesses=cosigners[:1])).decode(),
        ),
        "no witnesses": (17, LOG.bundle(3, LOG.signed_checkpoint(timestamp=NOW)).decode()),
        "no ML-DSA-44 line": (10, LOG.bundle(3, stripped).decode()),
        "another submitter": (11, json.dumps(swapped)),
        "another version of the format": (20, changed(v=2)),
        "no proof": (20, changed(proof="")),
        "a duplicate key": (20, text.replace('"v":1', '"v":1,"v":1')),
    }
    return {
        "about": "Offline bundles of one object. jwks: keys of objects and, with stillwatch_use log, of checkpoints.",
        "jwks": LOG.jwks(),
        "policy": POLICY,
        "origin": ORIGIN,
        "ceiling": "amber",
        "cases": [
            good("entry 3", bundle=text, index=3, object_id=an_indicator(3)["id"]),
            good("another layout", bundle=json.dumps(whole, indent=1), index=3, object_id=an_indicator(3)["id"]),
            good("the submitter is disclosed", bundle=json.dumps(with_sub), index=index,
                 object_id=an_indicator(7)["id"]),
            *(bad(name, code, bundle=wrong) for name, (code, wrong) in faults.items()),
        ],
    }  # fmt: skip
