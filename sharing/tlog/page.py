"""The log's part of a TAXII page asked for with `proof=1`: the envelope property `x_stillwatch_log`.

    unfiltered  {"v":1,"origin":"<host>/log/<collection-uuid>","start":<int>,"end":<int>,"entries":[…]}
    filtered    {"v":1,"origin":"<host>/log/<collection-uuid>","entries":[…]}

Unfiltered, there is one entry for every index in [start, end), in order: of an object or a withdrawal its
opening, of an erased one its commitment. Filtered, there is one opening for every object of the page. The
objects of a page stand in the order of their entries.

    opening     {"jws":"<detached JWS>","salt":"<b64u, 32 bytes>","stmt":"<JCS text of the statement>"}
                a `withdraw` statement has no object and so no "jws"; a bundle that discloses the submitter
                has one more, "sub":{"record":"<JCS text of the record>","salt":"<b64u, 32 bytes>"}
    withdrawn   {"commit":"<b64u of the 33 entry bytes>","withdrawn_by":<index of the `withdraw` statement>}

`stmt` is the statement's text inside a JSON string, not a JSON object: the entry commits to those exact
bytes, and a proxy that writes the page's JSON anew cannot disturb what stands inside a string.

The server stores openings as bytes and joins them; nothing here is parsed or serialised again.
"""

from collections.abc import Iterable
from json.encoder import encode_basestring as _quoted

from sharing.signing.base64url import encode_bytes as _b64u

PROPERTY = "x_stillwatch_log"


def opening(salt: bytes, statement: bytes, jws: str | None) -> bytes:
    """What opens one entry; `jws` is None for a `withdraw` statement. `statement` is UTF-8."""
    opened = b'"salt":"%b","stmt":%b}' % (_b64u(salt), _quoted(statement.decode()).encode())
    # A compact JWS is base64url and dots (RFC 7515 §3.1), which JSON carries as they are.
    return b'{"jws":"%b",%b' % (jws.encode("ascii"), opened) if jws is not None else b"{" + opened


def withdrawn(commit: bytes, withdrawn_by: int) -> bytes:
    """What is left of an erased entry: its 33 bytes, and the index of the statement that withdrew it."""
    return b'{"commit":"%b","withdrawn_by":%d}' % (_b64u(commit), withdrawn_by)


def proof_bytes(entries: Iterable[bytes]) -> bytes:
    """The `joined` of the functions below."""
    return b",".join(entries)


def log_value(origin: str, start: int, end: int, joined: bytes) -> bytes:
    """What opens the indexes [start, end): the property's value."""
    head = b'{"v":1,"origin":%b,' % _quoted(origin).encode()
    return b'%b"start":%d,"end":%d,"entries":[%b]}' % (head, start, end, joined)


def log_property(origin: str, start: int, end: int, joined: bytes) -> bytes:
    """`"x_stillwatch_log":{…}`, name and value, for an unfiltered page over the indexes [start, end)."""
    return b'"%b":%b' % (PROPERTY.encode(), log_value(origin, start, end, joined))


def filtered_log_property(origin: str, joined: bytes) -> bytes:
    """`"x_stillwatch_log":{…}`, name and value, for a filtered page: signatures, no claim of completeness."""
    return b'"%b":{"v":1,"origin":%b,"entries":[%b]}' % (PROPERTY.encode(), _quoted(origin).encode(), joined)


def disclosed(opening: bytes, subsalt: bytes, record: bytes) -> bytes:
    """An opening with what opens its statement's `sub`, for whom its submitter was disclosed to."""
    said = _quoted(record.decode()).encode()
    return b'%b,"sub":{"record":%b,"salt":"%b"}}' % (opening[:-1], said, _b64u(subsalt))


def bundle(body: bytes, opening: bytes, proof: bytes) -> bytes:
    """What proves one object offline: its bytes as signed, the opening of its entry, and a C2SP tlog-proof."""
    return b'{"v":1,"object":%b,"opening":%b,"proof":%b}' % (body, opening, _quoted(proof.decode()).encode())
