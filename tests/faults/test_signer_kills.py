"""kill -9 of the publisher and of the signer in turn, while partners send: one log, nothing lost, nothing doubled.

After all of it every log has a gapless index and a strictly increasing `added`; its tree is the one that RFC 6962
defines over its entries; and every checkpoint that was ever signed is of a beginning of that tree.
"""

import random
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from sharing.signing.high_water import FILE
from sharing.signing.keys import thumbprint
from sharing.signing.note_keys import log_keys, verify_checkpoint
from sharing.tlog import merkle
from tests.faults.flow import PATIENCE, Flow, assert_whole
from tests.faults.test_kills import ROUNDS, wait_for_another
from tests.world import World

pytestmark = pytest.mark.faults


def test_kills_of_publisher_and_signer_in_turn_lose_double_and_fork_nothing(frail: World) -> None:
    flow, chance = Flow(frail), random.Random(20266)
    with ThreadPoolExecutor(8) as pool:
        for number in range(ROUNDS):
            name = ("publish", "signer")[number % 2]
            stood = published_so_far(frail)
            before = flow.burst(pool, 2)
            # In the middle of its work, not before it has begun with it.
            wait_until_more_than(stood, frail)
            time.sleep(chance.uniform(0, 0.3))
            pid = frail.pids()[name]
            frail.kill(name)
            after = flow.burst(pool, 2)
            for one in before + after:
                one.result(PATIENCE)
            wait_for_another(frail, name, pid)
            if number % 5 == 4:
                frail.settle(PATIENCE)
        frail.settle(PATIENCE)

    assert_whole(flow)
    assert_trees(frail)


def assert_trees(world: World) -> None:
    """Every log's tree is that of its entries, every checkpoint is of a beginning of it, the signer knows no more."""
    wait_until_signed(world)
    keys = world.sql("SELECT jwk FROM sharing_signingkey WHERE purpose IN ('log', 'log-ml-dsa')")
    jwks = {"keys": [published(jwk) for (jwk,) in keys]}
    with sqlite3.connect(f"file:{world.home / 'keys' / FILE}?mode=ro", uri=True) as memory:
        known = {origin: (size, root) for origin, size, root in memory.execute("SELECT * FROM high_water")}
    for collection_id, size, edge in world.sql("SELECT id, next_index, edge FROM sharing_collection"):
        origin = f"localhost/log/{collection_id}"
        entries = world.sql(
            "SELECT commitment FROM sharing_entry WHERE collection_id = %s ORDER BY index", (collection_id,)
        )
        leaves = [merkle.leaf_hash(bytes(commitment)) for (commitment,) in entries]
        assert len(leaves) == size
        assert merkle.Range(size, bytes(edge)).root() == merkle.root_of(leaves)
        checkpoints = world.sql(
            "SELECT size, root, note FROM sharing_checkpoint WHERE collection_id = %s ORDER BY size",
            (collection_id,),
        )
        assert checkpoints[-1][0] == size
        for signed, root, note in checkpoints:
            verified = verify_checkpoint(note.encode(), origin=origin, log_keys=log_keys(jwks, origin))
            assert (verified.checkpoint.size, verified.checkpoint.root) == (signed, bytes(root))
            assert bytes(root) == merkle.root_of(leaves[:signed])
        assert known[origin] == (size, merkle.root_of(leaves))
    assert world.sql("SELECT count(*) FROM sharing_logrefusal") == [(0,)]


def wait_until_signed(world: World) -> None:
    unsigned = (
        "SELECT count(*) FROM sharing_collection k WHERE NOT EXISTS (SELECT 1 FROM sharing_checkpoint c"
        " WHERE c.collection_id = k.id AND c.size = k.next_index)"
    )
    wait_until(lambda: world.sql(unsigned) == [(0,)], "logs are not signed")


def published_so_far(world: World) -> int:
    ((count,),) = world.sql("SELECT sum(next_index)::int8 FROM sharing_collection WHERE kind = 'feed'")
    return int(count)


def wait_until_more_than(stood: int, world: World) -> None:
    wait_until(lambda: published_so_far(world) > stood, "nothing is published")


def wait_until(holds: Callable[[], bool], says: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, says
        time.sleep(0.01)


def published(jwk: dict[str, str]) -> dict[str, str]:
    """As the key set says it of a log's key."""
    return jwk | {"kid": thumbprint(jwk), "use": "sig", "stillwatch_use": "log"}
