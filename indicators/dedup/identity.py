"""The identity of an indicator: two submissions with one key are claims about one indicator (model.md)."""

import hashlib
from collections.abc import Callable
from functools import lru_cache

from indicators.dedup import sigma
from indicators.patterns import canonical

#: Patterns whose canonical form is kept: whoever makes an indicator asks for its key, and so does ingest. A pattern of
#: STIX is at most 8 KiB long.
_KEPT = 2048


@lru_cache(maxsize=_KEPT)
def _canonical(pattern: str) -> str:
    return canonical(pattern)


_READINGS: dict[str, Callable[[str], str]] = {"stix": _canonical, "sigma": sigma.finding}


def indicator_key(pattern_type: str, pattern: str) -> bytes:
    """SHA-256 over pattern type, NUL and the canonical pattern: 32 bytes.

    A `stix` pattern is brought to its canonical form, a `sigma` rule to what it finds things by, any other is taken
    exactly as it is. The references `dix-canonical-key` in the worked bundles hold the same key as `ck1:<hex>`. A
    NUL in the type would make the encoding ambiguous and is a ValueError; a wrong STIX pattern is a PatternError,
    which is a ValueError too.
    """
    if "\0" in pattern_type:
        raise ValueError("a pattern type holds no NUL")
    reading = _READINGS.get(pattern_type)
    text = pattern if reading is None else reading(pattern)
    return hashlib.sha256(f"{pattern_type}\0{text}".encode()).digest()
