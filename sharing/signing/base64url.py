"""Base64url without padding (RFC 7515 §2), decoded only from its one canonical spelling."""

from binascii import a2b_base64, b2a_base64

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_+/=\n\r \t", b"+/!!!!!!!")


class NotBase64url(ValueError):
    """Text that `encode` would never have written: padding, white space, foreign characters, stray bits."""


def encode(raw: bytes) -> str:
    return encode_bytes(raw).decode("ascii")


def encode_bytes(raw: bytes) -> bytes:
    """As `encode`, for callers that go on joining bytes."""
    return b2a_base64(raw, newline=False).rstrip(b"=").translate(_TO_URL)


def decode(text: str) -> bytes:
    """Raises NotBase64url unless `encode` of the result gives `text` back."""
    try:
        given = text.encode("ascii")
        raw = a2b_base64(given.translate(_FROM_URL) + b"=" * (-len(given) % 4), strict_mode=True)
    except ValueError as error:  # UnicodeEncodeError and binascii.Error are both ValueErrors.
        raise NotBase64url("not base64url text") from error
    # Two spellings of one value (spare bits in the last character) would let a signature change unnoticed.
    if encode_bytes(raw) != given:
        raise NotBase64url("not the canonical base64url spelling")
    return raw
