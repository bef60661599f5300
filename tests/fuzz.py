"""Mutated and truncated bodies of every format, from the samples that the tests of each format have."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from indicators.sources.formats import FORMATS
from tests.conformance import stix

_HERE = Path(__file__).resolve().parent
_SOURCES = _HERE / "indicators" / "sources"

_KINDS = (
    stix.malware,
    stix.indicator,
    stix.domain_name,
    stix.statement,
    stix.file,
    stix.campaign,
)
_CSV = (
    b"""type,value,name,confidence,tlp,labels
domain,harvest.example,One,80,green,a;b
ipv4,203.0.113.7,"Two, quoted",70,amber,
url,hxxps://harvest[.]example/v1,=1+1,,clear,x
""",
    b'value;description;valid_from\r\nharvest[.]example;"a ""b""\r\nc";2026-03-01\r\n',
    b"pattern\tconfidence\n[domain-name:value = 'h.example']\t50\n",
)
# What readers stumble over, of any format.
_TOKENS = (
    *(
        b"\x00",
        b'"',
        b"'",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b";",
        b"\\",
        b"\xff",
        b"\xc3",
        b"\xef\xbb\xbf",
        b"\n",
    ),
    *(
        b"\r",
        b"\t",
        b"\\u0000",
        b"\\ud800",
        b"1e999",
        b"-0",
        b"NaN",
        b"null",
        b"true",
        b"9" * 400,
        b"9007199254740993",
    ),
    *(
        b"=cmd|' /C calc'!A0",
        b"@SUM(1)",
        b"[.]",
        b"hxxp://",
        b"::ffff:1.2.3.4",
        b"1.2.3.4/33",
        b"xn--",
        b"2026-13-45",
    ),
    *(
        b'{"objects":[',
        b'{"Event":{"Attribute":[',
        b"[" * 40,
        b'{"a":' * 40,
        "\u202e\U0001f600".encode(),
        b"x" * 5_000,
    ),
)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    2**60,
    "",
    "x" * 3_000,
    [],
    {},
    [[]],
    {"": None},
    "\u0000",
    "2026-02-30T00:00:00Z",
)


def _stix(chance: random.Random) -> bytes:
    return json.dumps({"objects": [chance.choice(_KINDS)() for _ in range(chance.randrange(1, 4))]}).encode()


def _ndjson(chance: random.Random) -> bytes:
    return b"\n".join(json.dumps(chance.choice(_KINDS)()).encode() for _ in range(chance.randrange(1, 4)))


def _files(folder: str, *, without: str = "") -> Callable[[random.Random], bytes]:
    found = [
        file.read_bytes()
        for file in sorted((_SOURCES / folder).glob("*.json"))
        if not (without and file.name.endswith(without))
    ]
    return lambda chance: chance.choice(found)


def _csv(chance: random.Random) -> bytes:
    return chance.choice(_CSV)


SEEDS: dict[str, Callable[[random.Random], bytes]] = {"stix": _stix, "ndjson": _ndjson, "csv": _csv}
if "ocsf" in FORMATS:
    SEEDS["ocsf"] = _files("ocsf-pairs", without=".stix.json")
if "misp" in FORMATS:
    SEEDS["misp"] = _files("misp")


def bodies(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`count` bodies, of all formats in turn, each with the name of its format; MISP, which takes long, less often."""
    chance = random.Random(seed)
    others = [name for name in FORMATS if name != "misp"]
    for number in range(count):
        name = "misp" if "misp" in FORMATS and number % 20 == 7 else others[number % len(others)]
        yield name, mutated(SEEDS[name](chance), chance)


def mutated(body: bytes, chance: random.Random) -> bytes:
    """Cut, with bytes changed, or with values changed that leave it well-formed."""
    kind = chance.random()
    if kind < 0.15:
        return body[: chance.randrange(len(body) + 1)]
    if kind < 0.6:
        return _bytes(body, chance)
    return _tree(body, chance)


def _bytes(body: bytes, chance: random.Random) -> bytes:
    mutant = bytearray(body)
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(mutant) or 1)
        match chance.randrange(5):
            case 0 if mutant:
                mutant[place] = chance.randrange(256)
            case 1:
                del mutant[place : place + chance.randrange(1, 20)]
            case 2:
                other = chance.randrange(len(mutant) or 1)
                mutant[place:place] = mutant[other : other + chance.randrange(200)]
            case _:
                mutant[place:place] = chance.choice(_TOKENS)
    return bytes(mutant)


def _tree(body: bytes, chance: random.Random) -> bytes:
    """One or several values of a JSON text, or of one line of it, are others; of anything else some cells are."""
    lines = body.split(b"\n")
    place = chance.randrange(len(lines))
    for text, put in ((body, None), (lines[place], place)):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            continue
        for _ in range(chance.randrange(1, 4)):
            value = _changed(value, chance)
        made = json.dumps(value).encode()
        return made if put is None else b"\n".join([*lines[:put], made, *lines[put + 1 :]])
    cells = lines[place].split(b",")
    cells[chance.randrange(len(cells))] = chance.choice(_TOKENS)
    return b"\n".join([*lines[:place], b",".join(cells), *lines[place + 1 :]])


def _changed(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict | list) and value and chance.random() < 0.85:
        key: Any = chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
        match chance.randrange(12):
            case 0:
                del value[key]
            case 1 if isinstance(value, list):
                value.append(value[key])
            case 2 if isinstance(value, dict):
                value[str(chance.choice(_VALUES))] = value[key]
            case _:
                value[key] = _changed(value[key], chance)
        return value
    if isinstance(value, str) and chance.random() < 0.5:
        return value[:: chance.choice([-1, 2])] + chance.choice(_TOKENS).decode("utf-8", "replace")
    return copy.deepcopy(chance.choice(_VALUES))
