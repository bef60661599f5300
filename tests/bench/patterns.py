"""Patterns brought to canonical form, each seen for the first time, against the OASIS validator (ANTLR)."""

import gc
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from stix2patterns.validator import run_validator

import indicators.demo
from indicators.patterns import canonical
from tests.bench.bench import say
from tests.bench.table import Row, at_least

TARGET = 30_000 / 2_100
"""Patterns a second here, by those of the validator on the same machine: typical indicators."""
_DEMO = Path(indicators.demo.__file__).parent


def run(quick: bool) -> list[Row]:
    """How many times as many patterns a second of processor time as the validator takes."""
    say("patterns: canonical form and the OASIS validator in turns")
    kinds: dict[str, Callable[[Random], str]] = {
        "IPv4 address": _address,
        "domain name": _domain,
        "URL": _url,
        "SHA-256": _hash,
    }
    count = 40 if quick else 200
    random = Random(20261122)
    rows = [
        _row(name, [[make(random) for _ in range(count)] for _ in range(5)], None)
        for name, make in kinds.items()
    ]
    typical = [[make(random) for _ in range(count // 4) for make in kinds.values()] for _ in range(5)]
    # With a figure in each that none had before.
    figure = "[llm-api-activity:account_count >= {}]"
    behaviour = [
        [f"{pattern} AND {figure.format(random.randrange(10**9))}" for pattern in _behaviours()]
        for _ in range(5)
    ]
    return [_row("typical: all of these", typical, TARGET), *rows, _row("behaviour", behaviour, None)]


def _row(name: str, rounds: Sequence[Sequence[str]], target: float | None) -> Row:
    ours, theirs = [], []
    for patterns in rounds:
        ours.append(_rate(canonical, patterns))
        theirs.append(_rate(_validate, patterns))
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    behind = f"{max(ours):,.0f}/s, validator {max(theirs):,.0f}/s"
    return at_least("patterns", f"{name}, times the validator's rate", ratio, target, behind)


def _validate(pattern: str) -> None:
    assert not run_validator(pattern, "2.1")


def _rate(read: Callable[[str], object], patterns: Sequence[str]) -> float:
    gc.collect()
    begun = time.process_time()
    for pattern in patterns:
        read(pattern)
    return len(patterns) / (time.process_time() - begun)


def _name(random: Random) -> str:
    return f"{random.randbytes(4).hex()}.relay{random.randrange(10**6)}.example"


def _address(random: Random) -> str:
    return f"[ipv4-addr:value = '{'.'.join(map(str, random.randbytes(4)))}']"


def _domain(random: Random) -> str:
    return f"[domain-name:value = '{_name(random)}']"


def _url(random: Random) -> str:
    return f"[url:value = 'https://{_name(random)}/v1/{random.randbytes(3).hex()}?k={random.randbytes(2).hex()}']"


def _hash(random: Random) -> str:
    return f"[file:hashes.'SHA-256' = '{random.randbytes(32).hex()}']"


def _behaviours() -> list[str]:
    """The patterns of the worked bundles."""
    bundles = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(_DEMO.glob("*.json"))]
    return [one["pattern"] for bundle in bundles for one in bundle["objects"] if one["type"] == "indicator"]
