"""Whatever is posted in any format is taken or refused, never a fault; all that is taken is ingested."""

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import requests

from tests import fuzz
from tests.world import World

MANY = int(os.environ.get("STILLWATCH_FUZZ_POSTS", "5000"))
CONNECTIONS = 4
WARM_UP = 1_000
MAX_GROWTH = 100_000_000


@pytest.mark.parametrize("count", [200, pytest.param(MANY, marks=pytest.mark.slow)], ids=["some", "many"])
def test_no_body_of_any_format_is_a_fault(world: World, communities: None, count: int) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    warm_up = min(WARM_UP, count // 2)
    flood(world, warm_up, seed)
    world.settle(600)
    before = memory(world)

    answers = flood(world, count - warm_up, seed + CONNECTIONS)
    world.settle(600)
    growth = {name: after - before[name] for name, after in memory(world).items()}

    print(f"{count} bodies, {dict(sorted(answers.items()))}; memory grew by {growth}")
    assert world.sql("SELECT count(*) FROM indicators_submission WHERE state <> 'ingested'") == [(0,)]
    assert world.sql("SELECT count(*) FROM indicators_submittedobject WHERE reason = 'not-understood'") == [
        (0,)
    ]
    assert {202, 422} <= answers.keys() <= {202, 400, 413, 422}
    assert max(growth.values()) < MAX_GROWTH


def flood(world: World, count: int, seed: int) -> Counter[int]:
    """Post over several connections; how many got which answer."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        parts = [pool.submit(_post, world, count // CONNECTIONS, seed + n) for n in range(CONNECTIONS)]
        return sum((part.result() for part in parts), Counter[int]())


def _post(world: World, count: int, seed: int) -> Counter[int]:
    answers: Counter[int] = Counter()
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {world.token('lab-a').secret}"
        for name, body in fuzz.bodies(count, seed):
            url = f"{world.url}/api/v1/submissions/?community=fuzzed&format={name}"
            answer = session.post(url, data=body, timeout=60)
            assert answer.status_code < 500, (seed, name, body)
            if answer.status_code >= 400:
                assert answer.json()["detail"]
            answers[answer.status_code] += 1
    return answers


def memory(world: World) -> dict[str, int]:
    """The resident memory of the ingest worker and of the web server, with what they started."""
    found = {}
    for name in ("ingest", "web"):
        process = psutil.Process(world.pids()[name])
        everyone = [process, *process.children(recursive=True)]
        found[name] = sum(each.memory_info().rss for each in everyone)
    return found
