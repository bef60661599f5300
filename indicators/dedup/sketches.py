"""`minhash-w3-128`: the sketch of a set of shingles, its wire format, and how alike two of them are.

Bit for bit the MinHash of datasketch 2 (128 permutations, seed 1, scheme `affine32`, SHA-1), which takes seconds and
tens of megabytes to import, and whose earlier versions make other values with the same call. Standard library only.
"""

import hashlib
import random
import struct
from base64 import urlsafe_b64encode
from binascii import a2b_base64
from collections.abc import Iterable
from functools import lru_cache

NAME = "minhash-w3-128"
PERMUTATIONS = 128
SIZE = 4 * PERMUTATIONS
LENGTH = 683
"""Characters of the wire format."""

RELATED = 0.6
SAME = 0.9
# The optimum of datasketch's MinHashLSH for threshold 0.6 if a missed pair weighs as much as 99 needless comparisons:
# what the bands find is compared anyway. Two sketches at J = 0.6 meet in a band with a probability of 98.8 %.
BANDS = 32
ROWS = 4

_MASK = 0xFFFFFFFF
_NOTHING = b"\xff" * SIZE
_MINIMA = struct.Struct(f">{PERMUTATIONS}I")
_TOP_BITS = int.from_bytes(b"\x80\0\0\0" * PERMUTATIONS, "big")
_LOW_BITS = int.from_bytes(b"\x7f\xff\xff\xff" * PERMUTATIONS, "big")


class Unreadable(ValueError):
    """A text that is no `minhash-w3-128` sketch; the sentence names the property and says why."""

    def __init__(self, why: str) -> None:
        self.sentence = f"/sketches/{NAME}: {why}."
        super().__init__(self.sentence)


def compute(shingles: Iterable[str]) -> bytes:
    """The 512 bytes of a sketch: 128 minima, each a big-endian uint32.

    h = first four bytes of SHA-1(UTF-8 of the shingle), little-endian, through MurmurHash3's 32-bit finaliser; the k-th
    minimum is that of a_k·h + b_k mod 2^32 over all shingles.
    """
    hashed = [
        _mixed(int.from_bytes(hashlib.sha1(shingle.encode(), usedforsecurity=False).digest()[:4], "little"))
        for shingle in set(shingles)
    ]
    if not hashed:
        raise ValueError("a sketch is made of one shingle at least")
    return _MINIMA.pack(*(min((a * h + b) & _MASK for h in hashed) for a, b in _permutations()))


def encode(sketch: bytes) -> str:
    """Base64url without padding: 683 characters."""
    return urlsafe_b64encode(sketch).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The 512 bytes of a wire format; raises `Unreadable`."""
    if len(text) != LENGTH:
        raise Unreadable(f"a sketch has {LENGTH} characters, not {len(text)}")
    try:
        raw = a2b_base64(text.encode("ascii").translate(_FROM_URL) + b"=", strict_mode=True)
    except ValueError:
        raise Unreadable("a sketch is base64url without padding") from None
    if encode(raw) != text:
        raise Unreadable("the last character of a sketch carries four bits; the other two are zero")
    if raw == _NOTHING:
        raise Unreadable("this is the sketch of no shingles at all")
    return raw


def similarity(one: bytes, other: bytes) -> float:
    """The estimate of the Jaccard similarity, 0..1, in steps of 1/128; its standard error is below 0.045."""
    differing = int.from_bytes(one, "big") ^ int.from_bytes(other, "big")
    # Adding 0x7FFFFFFF carries into the top bit of each 32-bit lane whose lower bits are not all zero, and no further.
    differing |= (differing & _LOW_BITS) + _LOW_BITS
    return 1 - (differing & _TOP_BITS).bit_count() / PERMUTATIONS


def band_digests(sketch: bytes) -> list[int]:
    """For each of 32 bands of 4 minima, BLAKE2b-64 of its 16 bytes, as a signed 64-bit integer."""
    width = 4 * ROWS
    return [
        int.from_bytes(
            hashlib.blake2b(sketch[start : start + width], digest_size=8).digest(), "big", signed=True
        )
        for start in range(0, BANDS * width, width)
    ]


@lru_cache(maxsize=1)
def _permutations() -> list[tuple[int, int]]:
    """(a_k, b_k): 256 successive outputs of MT19937, seeded with init_genrand(1): first the a, then the b.

    a_k = 2·(output mod 2^31) + 1.
    """
    state = [1]
    for index in range(1, 624):
        state.append((1812433253 * (state[-1] ^ (state[-1] >> 30)) + index) & _MASK)
    # `Random(1)` would seed by init_by_array; this is numpy's RandomState(1).
    twister = random.Random()  # noqa: S311 - fixed permutations, no secrets
    twister.setstate((3, (*state, 624), None))
    outputs = [twister.getrandbits(32) for _ in range(2 * PERMUTATIONS)]
    return [
        ((2 * a + 1) & _MASK, b) for a, b in zip(outputs[:PERMUTATIONS], outputs[PERMUTATIONS:], strict=True)
    ]


def _mixed(h: int) -> int:
    h ^= h >> 16
    h = h * 0x85EBCA6B & _MASK
    h ^= h >> 13
    h = h * 0xC2B2AE35 & _MASK
    return h ^ (h >> 16)


_FROM_URL = bytes.maketrans(b"-_+/=\n\r \t", b"+/!!!!!!!")
