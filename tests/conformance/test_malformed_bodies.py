"""Bodies that are no envelope: a clear refusal, never a 5xx, nothing else lost with them (§5.5, §3.6)."""

import json
import os
import random
import string
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conformance import stix
from tests.conformance.client import Client, assert_error, assert_taxii
from tests.world import World

COUNT = int(os.environ.get("STILLWATCH_MALFORMED_BODIES", "10000"))
CONNECTIONS = 4
SECONDS = float(os.environ.get("STILLWATCH_MALFORMED_SECONDS", "90"))


def _envelope() -> str:
    return json.dumps({"objects": [stix.malware()]})


# Each is refused as a whole: 400 by the status of any HTTP server, 422 by §5.5 "a malformed body".
REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "white space": b" \n\t ",
    "a word": b"objects",
    "HTML": b"<html></html>",
    "XML": b'<?xml version="1.0"?><a/>',
    "form": b"objects=1&more=false",
    "null": b"null",
    "true": b"true",
    "a number": b"7",
    "a string": b'"objects"',
    "a list": b"[]",
    "a list of objects": json.dumps([stix.malware()]).encode(),
    "one object without an envelope": json.dumps(stix.malware()).encode(),
    "objects is null": b'{"objects":null}',
    "objects is an object": b'{"objects":{}}',
    "objects is a string": b'{"objects":"[]"}',
    "objects is a number": b'{"objects":1}',
    "objects is true": b'{"objects":true}',
    "cut in the middle": _envelope()[:60].encode(),
    "cut at the end": _envelope()[:-1].encode(),
    "one byte more": (_envelope() + "}").encode(),
    "two documents": (_envelope() + _envelope()).encode(),
    "two lines": (_envelope() + "\n" + _envelope()).encode(),
    "a comma at the end": b'{"objects":[],}',
    "a comma in a list": _envelope().replace("}]", "},]").encode(),
    "single quotes": _envelope().replace('"', "'").encode(),
    "names without quotes": b"{objects:[]}",
    "a comment": ("/* */" + _envelope()).encode(),
    "a line comment": ("// x\n" + _envelope()).encode(),
    "a leading zero": _envelope().replace("true", "007").encode(),
    "a plus sign": _envelope().replace("true", "+7").encode(),
    "hexadecimal": _envelope().replace("true", "0x7").encode(),
    "a bare fraction": _envelope().replace("true", ".5").encode(),
    "an open exponent": _envelope().replace("true", "1e").encode(),
    "a tab in a string": _envelope().replace("Harvester", "a\tb").encode(),
    "a newline in a string": _envelope().replace("Harvester", "a\nb").encode(),
    "a bad escape": _envelope().replace("Harvester", "\\x41").encode(),
    "a short escape": _envelope().replace("Harvester", "\\u12").encode(),
    "bytes that are no UTF-8": (_envelope().replace("Harvester", "@").encode().replace(b"@", b"\xff\xfe")),
    "an overlong encoding": _envelope().replace("Harvester", "@").encode().replace(b"@", b"\xc0\xaf"),
    "an encoded surrogate": (_envelope().replace("Harvester", "@").encode().replace(b"@", b"\xed\xa0\x80")),
    "a cut character": _envelope().encode() + b"\xe2\x82",
    "Latin-1": _envelope().replace("Harvester", "Z\u00fcrich").encode("latin-1"),
    "UTF-16": _envelope().encode("utf-16"),
    "UTF-32": _envelope().encode("utf-32"),
    "NUL bytes": b"\x00" * 100,
    "a NUL at the end": _envelope().encode() + b"\x00",
    "100,000 open brackets": b"[" * 100_000,
    "100,000 open objects": b'{"a":' * 100_000,
    "gzip": b"\x1f\x8b\x08\x00" + bytes(range(100)),
    "random bytes": random.Random(7).randbytes(5_000),
    "an unclosed string": b'{"objects":["' + b"a" * 100_000,
    "backslashes": b'{"objects":["' + b"\\" * 99_999,
}
# I-JSON (RFC 7493) forbids them inside an object that is otherwise fine: the body or that object is refused.
SPOILT: dict[str, bytes] = {
    "a name twice in the envelope": _envelope().replace("{", '{"objects":[],', 1).encode(),
    "a name twice in an object": (_envelope().replace('"is_family"', '"name":"B","is_family"').encode()),
    "the id twice": (
        _envelope().replace('"is_family"', f'"id":"{stix.malware()["id"]}","is_family"').encode()
    ),
    "a name twice, once escaped": (
        _envelope().replace('"is_family"', '"\\u006eame":"B","is_family"').encode()
    ),
    "NaN": _envelope().replace("true", "NaN").encode(),
    "Infinity": _envelope().replace("true", "-Infinity").encode(),
    "a lone surrogate": _envelope().replace("Harvester", "\\ud800").encode(),
    "surrogates in the wrong order": _envelope().replace("Harvester", "\\udc00\\ud800").encode(),
    "a lone surrogate in a name": (_envelope().replace('"is_family"', '"\\udfff":1,"is_family"').encode()),
    "U+0000": _envelope().replace("Harvester", "a\\u0000b").encode(),
    "U+0000 in the id": _envelope().replace("malware--", "malware--\\u0000").encode(),
    "a number out of range": (_envelope().replace('"is_family"', '"confidence":1e999,"is_family"').encode()),
    "an integer of 400 digits": (
        _envelope().replace('"is_family"', f'"confidence":{"9" * 400},"is_family"').encode()
    ),
    "an integer of 10,000 digits": (
        _envelope().replace('"is_family"', f'"confidence":{"9" * 10_000},"is_family"').encode()
    ),
    "2^53": (_envelope().replace('"is_family"', '"x_stillwatch_test":9007199254740992,"is_family"').encode()),
    "an object of 300 KiB": _envelope().replace("Harvester", "x" * 300 * 1024).encode(),
    "an object nested 100 deep": (
        _envelope().replace('"is_family"', f'"x_stillwatch_test":{"[" * 100}{"]" * 100},"is_family"').encode()
    ),
    "a million brackets in objects": b'{"objects":[' + b"[" * 500_000 + b"]" * 500_000 + b"]}",
    "objects that are lists": b'{"objects":[[],[[]]]}',
    "objects that are null": b'{"objects":[null,null]}',
    "objects that are numbers": b'{"objects":[1,2.5,-0,1e5]}',
    "empty objects": b'{"objects":[{},{}]}',
    "an id of a megabyte": _envelope().replace("malware--", "malware--" + "x" * 1_000_000).encode(),
    "ten thousand members": (
        _envelope().replace("}]", "," + ",".join(f'"x_{n}":{n}' for n in range(10_000)) + "}]").encode()
    ),
    "more is a string": _envelope().replace("{", '{"more":"yes",', 1).encode(),
    "next is a number": _envelope().replace("{", '{"next":7,', 1).encode(),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("place", ["exchange", "inbox"])
def test_a_body_that_is_no_envelope_is_refused(
    request: pytest.FixtureRequest, lab_a: Client, name: str, place: str
) -> None:
    """§5.5: 422 for a malformed body, or 400; the description says what is wrong."""
    target: str = request.getfixturevalue(place)
    answer = lab_a.request("POST", f"{target}objects/", body=REFUSED[name])
    assert assert_error(answer, 400, 422)["description"]


@pytest.mark.parametrize("name", SPOILT)
def test_a_body_with_one_spoilt_object_is_refused_or_that_object_is(
    world: World, lab_a: Client, inbox: str, name: str
) -> None:
    """§1.6.7: RFC 7493; §4.3.1: a failure with a message, or §5.5: 422."""
    assert lab_a.token is not None
    answer = lab_a.request("POST", f"{inbox}objects/", body=SPOILT[name])
    if answer.status != 202:
        assert assert_error(answer, 400, 422)["description"]
        return
    status = world.wait(assert_taxii(answer, 202), lab_a.token)
    if name in ("more is a string", "next is a number", "ten thousand members"):
        return
    assert status["success_count"] == 0, status
    assert all(failure["message"] for failure in status["failures"])


def _value(rng: random.Random, depth: int = 0) -> str:
    """JSON text, mostly right, of every kind of value and some that are none."""
    kind = rng.randrange(14 if depth < 4 else 9)
    if kind < 3:
        return rng.choice(
            [
                "0",
                "-0",
                "1",
                "-1",
                "2.1",
                "1e5",
                "1E-7",
                "9007199254740993",
                "1e999",
                "-1e-999",
                "NaN",
                "01",
                "9" * 30,
            ]
        )
    if kind < 6:
        text = "".join(
            rng.choice(string.printable + "\u00e9\u8888\U0001f600\x00\ud800")
            for _ in range(rng.randrange(12))
        )
        return json.dumps(text, ensure_ascii=rng.random() < 0.7)
    if kind < 8:
        return rng.choice(["true", "false", "null", '"2024-05-01T08:00:00.000Z"', '"malware"', '"2.1"', '""'])
    if kind == 8:
        return json.dumps(stix.malware()["id"])
    if kind < 11:
        return "[" + ",".join(_value(rng, depth + 1) for _ in range(rng.randrange(5))) + "]"
    names = [
        "objects",
        "id",
        "type",
        "spec_version",
        "created",
        "modified",
        "more",
        "next",
        "a",
        "",
        "__proto__",
    ]
    return (
        "{"
        + ",".join(
            f"{json.dumps(rng.choice(names))}:{_value(rng, depth + 1)}" for _ in range(rng.randrange(6))
        )
        + "}"
    )


def _random_json(rng: random.Random) -> bytes:
    text = _value(rng)
    if rng.random() < 0.4:
        text = f'{{"objects":{text}}}'
    elif rng.random() < 0.1:
        text = f'{{"objects":[{text},{_value(rng)}]}}'
    return text.encode("utf-8", "surrogatepass")


def _sample(rng: random.Random) -> Any:
    kinds = [stix.malware, stix.indicator, stix.domain_name, stix.statement, stix.file, stix.campaign]
    return {"objects": [rng.choice(kinds)() for _ in range(rng.randrange(1, 4))]}


def _bytes_mutated(rng: random.Random) -> bytes:
    body = bytearray(json.dumps(_sample(rng)).encode())
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(len(body))
        match rng.randrange(5):
            case 0:
                body[place] = rng.randrange(256)
            case 1:
                del body[place : place + rng.randrange(1, 20)]
            case 2:
                body[place:place] = body[rng.randrange(len(body)) :][: rng.randrange(40)]
            case 3:
                body[place:place] = rng.choice(
                    [b"\x00", b'"', b"{", b"]", b",", b"\\", b"\xff", b"\\ud800", b"1e999", b"null"]
                )
            case _:
                del body[place:]
        body = body or bytearray(b"{")
    # Most stay readable, and reading them all would try the workers rather than the parser.
    return bytes(body[: rng.randrange(len(body))] if rng.random() < 0.7 else body)


def _tree_mutated(rng: random.Random) -> bytes:
    envelope = _sample(rng)
    for _ in range(rng.randrange(1, 4)):
        node: Any = envelope
        while True:
            keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = rng.choice(keys)
            if isinstance(node[key], (dict, list)) and node[key] and rng.random() < 0.8:
                node = node[key]
                continue
            match rng.randrange(4):
                case 0:
                    del node[key]
                case 1:
                    node[key] = rng.choice(
                        [None, True, 0, -1, 1.5, 2**60, "", "x" * 3_000, [], {}, [[]], {"": None}]
                    )
                case 2:
                    node[key] = [node[key]] * rng.randrange(3)
                case _:
                    node[key] = str(node[key])[:: rng.choice([-1, 2])]
            break
    return json.dumps(envelope).encode()


def _body(rng: random.Random) -> bytes:
    return rng.choices([_random_json, _bytes_mutated, _tree_mutated], [50, 45, 5])[0](rng)


def _flood(world: World, target: str, seed: int, count: int, deadline: float) -> Counter[int]:
    """Posts up to `count` bodies over one connection; how many got which answer."""
    rng = random.Random(seed)
    client = Client(world.url, world.token("lab-a", "rw"))
    answers: Counter[int] = Counter()
    while answers.total() < count and time.monotonic() < deadline:
        body = _body(rng)
        answer = client.request("POST", target, body=body)
        assert answer.status in (202, 400, 422), (seed, answer.status, answer.body[:300], body)
        if answer.status == 202:
            assert_taxii(answer, 202)
        else:
            assert_error(answer, answer.status)
        answers[answer.status] += 1
    client.close()
    return answers


@pytest.mark.slow
def test_random_bodies_never_give_a_server_error(
    world: World, lab_a: Client, inbox: str, exchange: str
) -> None:
    """§3.6: whatever is posted is taken or refused; afterwards the server works as before."""
    first_seed = random.SystemRandom().randrange(2**32)
    started = time.monotonic()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        floods = [
            pool.submit(
                _flood, world, f"{inbox}objects/", first_seed + n, COUNT // CONNECTIONS, started + SECONDS
            )
            for n in range(CONNECTIONS)
        ]
        answers = sum((flood.result() for flood in floods), Counter[int]())
    took = time.monotonic() - started
    print(f"seed {first_seed}: {answers.total()} of {COUNT} bodies in {took:.0f} s: {dict(answers)}")
    assert answers.total() >= min(COUNT, 1_000) // CONNECTIONS * CONNECTIONS, "Too slow to be tried."
    # What was taken is worked off first; that may take its time.
    assert lab_a.token is not None
    good = stix.malware()
    status = assert_taxii(lab_a.post(f"{exchange}objects/", {"objects": [good]}), 202)
    assert world.wait(status, lab_a.token, timeout=300)["success_count"] == 1
    assert lab_a.crawl(f"{exchange}objects/?match[id]={good['id']}") == [good]
