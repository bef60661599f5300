"""Large files over HTTP: in a stream, with progress, and a receipt for each object."""

import http.client
import itertools
import json
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import requests

from tests.conformance import stix
from tests.journeys.steps import GREEN
from tests.world import World


def send(
    world: World,
    body: bytes | Iterable[bytes],
    query: str = "format=ndjson",
    *,
    organization: str = "lab-a",
    token: str = "rw",
    **headers: str,
) -> requests.Response:
    return requests.post(
        f"{world.url}/api/v1/uploads/?community=allies&{query}",
        data=body,
        headers={"Authorization": f"Bearer {world.token(organization, token).secret}", **headers},
        timeout=120,
    )


def progress(world: World, upload_id: str, organization: str = "lab-a") -> requests.Response:
    return requests.get(
        f"{world.url}/api/v1/uploads/{upload_id}/",
        headers={"Authorization": f"Bearer {world.token(organization).secret}"},
        timeout=30,
    )


def done(world: World, upload_id: str) -> dict[str, Any]:
    """The progress when nothing is left to do."""
    world.settle()
    found: dict[str, Any] = progress(world, upload_id).json()
    return found


def campaign_lines(count: int) -> list[dict[str, Any]]:
    return [stix.campaign(name=f"Campaign {n}", object_marking_refs=[GREEN]) for n in range(count)]


def test_a_file_is_ingested_in_parts_with_receipts(world: World) -> None:
    campaigns = campaign_lines(20)
    places = [index * 270 for index in range(20)]

    def bundle() -> Iterator[bytes]:
        for number in range(5_300):
            # What is no object harms no other.
            one = campaigns[number // 270] if number % 270 == 0 else {"type": "campaign"}
            yield (b"," if number else b'{"objects":[') + json.dumps(one).encode()
        yield b"]}"

    answer = send(world, bundle(), "format=stix&name=autumn.json")

    assert answer.status_code == 202, answer.text
    first = answer.json()
    assert answer.headers["Location"] == f"/api/v1/uploads/{first['id']}/"
    assert (first["name"], first["format"], first["part_count"], first["object_count"]) == (
        "autumn.json",
        "stix",
        2,
        5_300,
    )
    final = done(world, first["id"])
    assert (final["state"], final["percent"], final["ingested"]) == ("ingested", 100, 2)
    assert final["counts"] == {"accepted": 20, "rejected": 5_280}
    assert final["reasons"] == {"missing-property": 5_280}
    receipts = [world.receipt("lab-a", part["submission"]) for part in final["submissions"]]
    released = [line for one in receipts for line in one["objects"] if line["outcome"] == "released"]
    assert [line["id"] for line in released] == [one["id"] for one in campaigns]
    # Places are those of the file, not of the part.
    assert [line["place"] for line in released] == [f"objects/{place}" for place in places]


def test_lines_in_chunks_need_a_length_and_a_bundle_does_not(world: World) -> None:
    """Whether the last chunk was the last cannot be told from lines."""
    lines = [json.dumps(one).encode() + b"\n" for one in campaign_lines(2)]

    refused = send(world, iter(lines))
    taken = send(world, iter([b'{"objects":[', lines[0], b"]}"]), "format=stix")

    assert (refused.status_code, refused.json()["code"]) == (411, "length-required")
    assert taken.status_code == 202
    assert done(world, taken.json()["id"])["counts"] == {"accepted": 1}


def test_a_file_may_come_in_a_form(world: World) -> None:
    body = json.dumps({"objects": campaign_lines(2)})

    answer = requests.post(
        f"{world.url}/api/v1/uploads/?community=allies",
        files={"file": ("two.json", body)},
        headers={"Authorization": f"Bearer {world.token('lab-a').secret}"},
        timeout=60,
    )

    assert answer.status_code == 202, answer.text
    final = done(world, answer.json()["id"])
    assert (final["name"], final["format"], final["counts"]) == ("two.json", "stix", {"accepted": 2})


def test_a_broken_file_is_refused_whole_with_its_place(world: World) -> None:
    body = json.dumps({"objects": campaign_lines(3)}).encode()[:-3] + b"\n,]}"
    before = world.sql("SELECT count(*) FROM indicators_submission")

    answer = send(world, body, "format=stix")

    assert answer.status_code == 422
    assert answer.json()["code"] == "not-json"
    assert "line 2, column" in answer.json()["detail"]
    assert world.sql("SELECT count(*) FROM indicators_submission") == before


def test_the_same_file_answers_with_the_same_upload(world: World) -> None:
    body = json.dumps(campaign_lines(1)[0]).encode()

    first, second = send(world, body), send(world, body)
    keyed = [send(world, body, **{"Idempotency-Key": "autumn"}) for _ in range(2)]
    reused = send(world, body + b"\n" + body, **{"Idempotency-Key": "autumn"})

    assert first.json()["id"] == second.json()["id"]
    assert keyed[0].json()["id"] == keyed[1].json()["id"] != first.json()["id"]
    assert (reused.status_code, reused.json()["code"]) == (409, "idempotency-key-reused")


def test_an_upload_is_its_senders_own(world: World) -> None:
    upload = send(world, json.dumps(campaign_lines(1)[0]).encode()).json()

    assert progress(world, upload["id"], "lab-b").status_code == 404
    assert progress(world, upload["id"], "outsider").status_code == 404
    assert send(world, b"{}", token="ro").status_code == 403
    assert send(world, b"{}", organization="outsider").status_code == 404
    assert requests.post(f"{world.url}/api/v1/uploads/", data=b"{}", timeout=30).status_code == 401


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {}, 400),
        ("format=stix", {"Content-Encoding": "gzip"}, 415),
        ("format=pdf", {}, 400),
        ("format=stix", {"Idempotency-Key": "k" * 256}, 400),
        ("", {"Content-Type": "multipart/form-data; boundary=x"}, 400),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(
    world: World, query: str, headers: dict[str, str], status: int
) -> None:
    answer = send(world, b'{"objects":[]}', query, **headers)

    assert answer.status_code == status
    assert answer.json()


CUT_OFF = b'{"type":"campaign","name":"a"}\n'


@pytest.mark.parametrize(
    ("path", "headers", "piece", "status"),
    [
        ("uploads/?format=ndjson", "Content-Length: 500", CUT_OFF, 400),
        ("uploads/?format=ndjson", "Transfer-Encoding: chunked", b"1f\r\n" + CUT_OFF + b"\r\n", 411),
        ("uploads/?format=csv", "Transfer-Encoding: chunked", b"6\r\nvalue\n\r\n", 411),
        ("uploads/?format=stix", "Transfer-Encoding: chunked", b'd\r\n{"objects":[1,\r\n', 422),
        (
            "uploads/?",
            "Content-Length: 500\r\nContent-Type: multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.ndjson"\r\n\r\n' + CUT_OFF,
            400,
        ),
        ("submissions/?format=ndjson", "Transfer-Encoding: chunked", b"1f\r\n" + CUT_OFF + b"\r\n", 411),
        ("submissions/?format=ndjson", "Content-Length: 500", CUT_OFF, 400),
    ],
)
def test_what_a_broken_connection_cut_off_is_not_taken_for_a_shorter_file(
    world: World, path: str, headers: str, piece: bytes, status: int
) -> None:
    stored = "SELECT (SELECT count(*) FROM indicators_upload), (SELECT count(*) FROM indicators_submission)"
    before = world.sql(stored)
    secret = world.token("lab-a").secret
    head = (
        f"POST /api/v1/{path}&community=allies HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}"
    )

    answer = world.raw(f"{head}\r\n{headers}\r\n\r\n".encode() + piece, breaks_off=True)

    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert world.sql(stored) == before


def test_a_length_over_the_limit_is_refused_before_anything_is_read(world: World) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=30)
    connection.putrequest("POST", "/api/v1/uploads/?community=allies&format=stix")
    connection.putheader("Authorization", f"Bearer {world.token('lab-a').secret}")
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders()

    answer = connection.getresponse()

    assert answer.status == 413
    assert json.loads(answer.read())["code"] == "too-large"


@pytest.mark.slow
def test_two_hundred_megabytes_do_not_swell_the_web_server(world: World) -> None:
    peak, stop = [0], threading.Event()

    def watch() -> None:
        while not stop.is_set():
            peak[0] = max(peak[0], *(memory(pid) for pid in web_processes(world)))
            time.sleep(0.05)

    before = max(memory(pid) for pid in web_processes(world))
    watcher = threading.Thread(target=watch)
    watcher.start()
    element = b'{"type":"campaign","note":"%s"}' % (b"x" * 100_000)
    pieces = ((b"," if number else b'{"objects":[') + element for number in range(190 * 10))
    answer = send(world, itertools.chain(pieces, [b"]}"]), "format=stix&name=large")
    stop.set()
    watcher.join()

    assert answer.status_code == 202, answer.text
    assert answer.json()["size"] > 190_000_000
    assert peak[0] - before < 60_000_000
    world.settle(timeout=300)


def web_processes(world: World) -> list[int]:
    import psutil

    main = psutil.Process(world.pids()["web"])
    return [main.pid, *(child.pid for child in main.children(recursive=True))]


def memory(pid: int) -> int:
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
