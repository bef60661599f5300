"""Base64url without padding (RFC 7515 §2), decoded only from its one canonical spelling."""

from binascii import a2b_base64, b2a_base64

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_+/=\n\r \t", b"+/!!!!!!!")
_PADDING = (b"", b"===", b"==", b"=")
"""By the length modulo four. No text is one character longer than a multiple of it; that padding is refused."""
_LAST = (None, b"", b"AQgw", b"AEIMQUYcgkosw048")
"""By the same: the last characters whose spare bits are zero, as `encode` has them. None: there are no spare bits."""


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
        beyond = len(given) % 4
        raw = a2b_base64(given.translate(_FROM_URL) + _PADDING[beyond], strict_mode=True)
    except ValueError as error:  # UnicodeEncodeError and binascii.Error are both ValueErrors.
        raise NotBase64url("not base64url text") from error
    # Two spellings of one value (spare bits in the last character) would let a signature change unnoticed.
    if (last := _LAST[beyond]) is not None and given[-1] not in last:
        raise NotBase64url("not the canonical base64url spelling")
    return raw
