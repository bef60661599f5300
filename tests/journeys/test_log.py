"""A log over HTTP, as a verifier meets it: what may be kept, what is asked again, and what a proxy sees."""

from typing import Any

import requests

from sharing.tlog import merkle, tiles
from tests.conformance import stix
from tests.world import World


def get(world: World, path: str, method: str = "GET", **headers: str) -> requests.Response:
    secret = world.token("lab-b", "ro").secret
    return requests.request(
        method, f"{world.url}{path}", headers={"Authorization": f"Bearer {secret}"} | headers, timeout=30
    )


def log_of(world: World) -> tuple[str, dict[str, Any]]:
    """The address of a log, and the proof part of its first page."""
    world.submit("lab-a", [stix.campaign() for _ in range(3)], to="exchange")
    page = world.page("lab-b", "exchange", query="proof=1&limit=5000")
    return f"/trust/log/{world.collection('exchange', organization='lab-b')}", page["x_stillwatch_log"]


def test_tiles_and_entries_are_those_of_the_page(world: World) -> None:
    log, proof = log_of(world)
    size = min(proof["end"], tiles.WIDTH)

    hashes = get(world, f"{log}/{tiles.path(0, 0, size)}")
    entries = get(world, f"{log}/{tiles.path('entries', 0, size)}")
    openings = get(world, f"{log}/openings?start=0&end={size}")

    leaves = [merkle.leaf_hash(one) for one in tiles.read_entry_bundle(entries.content)]
    assert hashes.content == b"".join(leaves)
    assert {one.headers["Content-Type"] for one in (hashes, entries)} == {"application/octet-stream"}
    assert openings.json()["entries"] == proof["entries"][:size]
    assert "immutable" in hashes.headers["Cache-Control"]
    assert "immutable" not in openings.headers["Cache-Control"]


def test_what_is_held_already_is_not_sent_again(world: World) -> None:
    log, _ = log_of(world)
    path = f"{log}/tile/0/000.p/3"
    first = get(world, path)

    again = get(world, path, **{"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers.get("Content-Length", "96") == "96"
    assert again.headers["ETag"] == first.headers["ETag"]


def test_head_is_get_without_the_body(world: World) -> None:
    log, _ = log_of(world)
    for rest in ("tile/0/000.p/3", "openings?start=0&end=3"):
        whole, head = get(world, f"{log}/{rest}"), get(world, f"{log}/{rest}", "HEAD")

        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Length"] == str(len(whole.content))


def test_a_log_is_nothing_to_who_may_not_read_it(world: World) -> None:
    log, _ = log_of(world)
    outsider = {"Authorization": f"Bearer {world.token('outsider').secret}"}
    answers = [
        requests.get(f"{world.url}{path}/tile/0/000.p/1", headers=outsider, timeout=30)
        for path in (log, "/trust/log/00000000-0000-4000-8000-000000000000", "/trust/log/exchange")
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text.replace(answer.json()["error_id"], "") for answer in answers}) == 1
    assert requests.get(f"{world.url}{log}/checkpoint", timeout=30).status_code == 401
