"""Detached signatures over canonical bytes (RFC 7515 appendix F; RFC 9864): one form, nothing else.

header     {"alg":"Ed25519","kid":"<RFC 7638 thumbprint>","typ":"<type>"}  exactly, in JCS
signature  Ed25519 over  b64u(header) "." b64u(body)
carried    b64u(header) ".." b64u(signature)

The type says what the bytes are, so that no receipt can be taken for an object (RFC 8725 §3.11).
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidSignature

from sharing.signing import base64url
from sharing.signing.keys import ALGORITHM, KeySet, Signer, SigningError

_HEADER = re.compile(
    rf'\{{"alg":"{ALGORITHM}","kid":"([A-Za-z0-9_-]{{43}})","typ":"([a-z-]+\+jws)"\}}', re.ASCII
)

OBJECT = "stix-object+jws"
"""One STIX object."""
RECEIPT = "stillwatch-receipt+jws"
"""A receipt: what became of each object of a submission."""
DELIVERY = "stillwatch-delivery+jws"
"""The body of a webhook's delivery."""
SUBMITTER_KEY = "stillwatch-submitter-key+jws"
"""The registration of a key that an organisation signs with what it submits."""
TYPES = frozenset({OBJECT, RECEIPT, DELIVERY})
"""All that an object key signs: the signer refuses whatever else (`sharing.signing.service`)."""


class MalformedSignature(SigningError):
    """Not exactly the one form of signature above: another header, order, member, spelling or length."""


class BadSignature(SigningError):
    """The right form, but not made by the key it names over these bytes."""


def sign_object(signer: Signer, body: bytes) -> str:
    """The detached compact JWS over `body`, the JCS bytes of one object, which are not looked at."""
    return sign(signer, body, typ=OBJECT)


def sign_objects(signer: Signer, bodies: Sequence[bytes]) -> list[str]:
    """As `sign_object`, of many at once: a signer in another process is asked once."""
    header = encoded_header(signer.kid, OBJECT)
    encode = base64url.encode_bytes
    signatures = signer.sign_many([b"%b.%b" % (header, encode(body)) for body in bodies])
    start = header.decode("ascii")
    return [f"{start}..{base64url.encode(signature)}" for signature in signatures]


def sign(signer: Signer, body: bytes, *, typ: str) -> str:
    """The detached compact JWS over `body`, which is of the type `typ` and is not looked at."""
    header = encoded_header(signer.kid, typ)
    signature = signer.sign(b"%b.%b" % (header, base64url.encode_bytes(body)))
    return (b"%b..%b" % (header, base64url.encode_bytes(signature))).decode("ascii")


def verify_object(keys: KeySet, body: bytes, jws: str) -> str:
    """The `kid` that signed `body`, the JCS bytes of one object. Raises as `verify`."""
    return verify(keys, body, jws, typ=OBJECT)


def verify(keys: KeySet, body: bytes, jws: str, *, typ: str) -> str:
    """The `kid` that signed `body` as something of the type `typ`.

    Raises MalformedSignature, UnknownKey or BadSignature, looked for in this order.
    """
    header, encoded = _parts(jws)
    kid = _kid(header, typ)
    try:
        signature = base64url.decode(encoded)
    except base64url.NotBase64url as error:
        raise MalformedSignature(f"the signature is {error}") from error
    if len(signature) != 64:
        raise MalformedSignature("the signature is not 64 bytes long")
    key = keys.public_key(kid)
    try:
        key.verify(signature, b"%b.%b" % (header.encode("ascii"), base64url.encode_bytes(body)))
    except InvalidSignature:
        raise BadSignature(f"key {kid} did not sign these bytes") from None
    return kid


def kid_of(jws: str, *, typ: str) -> str:
    """The `kid` that a detached JWS names, before anything of it is verified. Raises MalformedSignature."""
    return _kid(_parts(jws)[0], typ)


def _parts(jws: str) -> tuple[str, str]:
    header, separator, signature = jws.partition("..")
    if not separator:
        raise MalformedSignature("a signature is a header and a signature with '..' between them")
    return header, signature


@lru_cache(maxsize=64)
def encoded_header(kid: str, typ: str) -> bytes:
    """What a signing input begins with, up to its dot."""
    header = f'{{"alg":"{ALGORITHM}","kid":"{kid}","typ":"{typ}"}}'
    if not _HEADER.fullmatch(header):
        raise MalformedSignature("the signer's kid is not an RFC 7638 thumbprint")
    return base64url.encode_bytes(header.encode("ascii"))


@lru_cache(maxsize=64)
def _kid(encoded_header: str, typ: str) -> str:
    """Matched, not parsed: a header that must be known to the byte leaves a JSON parser nothing to decide."""
    try:
        header = base64url.decode(encoded_header).decode("ascii")
    except ValueError as error:
        raise MalformedSignature("the header is not base64url of plain text") from error
    match = _HEADER.fullmatch(header)
    if not match or match[2] != typ:
        exactly = f'{{"alg":"Ed25519","kid":…,"typ":"{typ}"}}'
        raise MalformedSignature(f"the header is not exactly {exactly}")
    return match[1]
