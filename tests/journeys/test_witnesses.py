"""The service and three partners' witnesses, all as processes: what readers get has been vouched for by two of them."""

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from sharing.signing.note_keys import log_keys, verify_checkpoint
from sharing.tlog import quorum
from sharing.tlog.policy import Policy
from tests.conformance import stix
from tests.sharing.witness import by_hand
from tests.sharing.witness.running import Running
from tests.world import World

pytestmark = pytest.mark.slow

_PATIENCE = 120.0


@pytest.fixture(scope="module")
def partners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Running]]:
    directory = tmp_path_factory.mktemp("partners")
    with contextlib.ExitStack() as stack:
        made = [Running.make(directory, f"{name}.example/w") for name in ("lab-a", "lab-b", "cloud-c")]
        for one in made:
            stack.callback(one.stop)
            one.start_process()
        yield made


@pytest.fixture(scope="module")
def policy(partners: list[Running], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("operator") / "policy.txt"
    lines = "".join(f"witness {one.name} {one.vkeys[0]} {one.url}\n" for one in partners)
    path.write_text(f"{lines}group most 2 {' '.join(one.name for one in partners)}\nquorum most\n")
    return path


@pytest.fixture(scope="module")
def vouched(partners: list[Running], policy: Path) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WITNESS_POLICY", str(policy))
        patch.setenv("WITNESS_INTERNAL", ",".join(one.name for one in partners))
        with World.start() as world:
            world.community = "allies"
            yield world


def checkpoint(world: World, feed: str) -> bytes:
    answer = requests.get(
        f"{world.url}/trust/log/{feed}/checkpoint", headers=world.token("lab-a").bearer, timeout=30
    )
    return answer.content if answer.status_code == 200 else b""


def published(world: World) -> requests.Response:
    return requests.get(f"{world.url}/.well-known/jwks.json", timeout=30)


def wait_for(world: World, feed: str, size: int, by: set[str], policy: Path) -> bytes:
    """The first checkpoint of this size, once all of these have cosigned it."""
    deadline, keys = time.monotonic() + _PATIENCE, published(world).json()
    origin = f"localhost/log/{feed}"
    while True:
        raw = checkpoint(world, feed)
        if raw:
            found = verify_checkpoint(raw, origin=origin, log_keys=log_keys(keys, origin))
            names = quorum.cosigners(found.note, Policy.read(policy.read_bytes())).keys()
            if found.checkpoint.size >= size and names >= by:
                quorum.require(raw, Policy.read(policy.read_bytes()), since=int(time.time()) - 600)
                return raw
        assert time.monotonic() < deadline, raw
        time.sleep(0.1)


def submit(world: World, count: int, start: int) -> int:
    """Indicators in the amber feed; how many entries it has then."""
    world.submit(
        "lab-a",
        [
            stix.indicator(pattern=f"[ipv4-addr:value = '198.51.100.{number}']")
            for number in range(start, start + count)
        ],
    )
    return size_of(world)


def size_of(world: World) -> int:
    ((size,),) = world.sql(
        "SELECT k.next_index FROM sharing_collection k JOIN accounts_community c ON c.id = k.community_id"
        " WHERE k.alias = 'amber' AND c.slug = 'allies'"
    )
    return int(size)


def test_whatever_dies_two_of_three_vouch_for_what_readers_get(
    vouched: World, partners: list[Running], policy: Path
) -> None:
    feed = vouched.collection("amber")
    everybody = {one.name for one in partners}
    keys = published(vouched).text
    for one in partners:
        (one.home / "jwks.json").write_text(keys)
        one.stop()
        (one.home / "logs.txt").write_text(f"localhost/log/{feed}\n")
        one.options = ("--jwks", str(one.home / "jwks.json"))
        one.start_process()

    first = wait_for(vouched, feed, submit(vouched, 5, 1), everybody, policy)
    # By hand, too: what is after the log's two lines is the witnesses'.
    text, _, lines = first.decode().partition("\n\n")
    for line in lines.splitlines(keepends=True)[2:]:
        by_hand.cosigner(line.encode(), [one.vkeys[0] for one in partners], f"{text}\n")

    partners[2].stop(signal.SIGKILL)
    wait_for(vouched, feed, submit(vouched, 5, 10), {one.name for one in partners[:2]}, policy)

    vouched.kill("outbound")
    partners[2].start_process()
    partners[0].stop(signal.SIGKILL)
    size = submit(vouched, 5, 20)
    wait_for(vouched, feed, size, {partners[1].name, partners[2].name}, policy)
    partners[0].start_process()

    # An inbox is nobody's to vouch for: its checkpoints are served, and no witness was told of them.
    origins = {log["origin"] for one in partners for log in json.loads(one.status().out)["logs"]}
    assert origins == {f"localhost/log/{feed}"}
    assert [one.status().code for one in partners] == [0, 0, 0]
    inboxes = vouched.sql(
        "SELECT count(*) FROM sharing_witnessed t JOIN sharing_collection k ON k.id = t.collection_id"
        " WHERE k.kind = 'inbox'"
    )
    assert inboxes == [(0,)]
