"""Pages of 1,000 objects and empty polls, against nginx and bare granian giving the same bytes."""

from functools import partial

from tests.bench import servers
from tests.bench.bench import SMALL, Bench, say
from tests.bench.load import Generator, interleaved, median, median_ratio
from tests.bench.table import Row, at_least

CONNECTIONS = 8
_WHAT = {"page": "page of 1,000", "proof": "page of 1,000, proof=1", "empty": "empty poll"}
_TARGETS = {"page": 0.15, "proof": 0.12, "empty": 0.04}


def run(bench: Bench) -> list[Row]:
    objects = bench.filled(SMALL)
    *_, (_, end) = bench.pages(objects)
    paths = {
        "page": f"{objects}?limit=1000",
        "proof": f"{objects}?limit=1000&proof=1",
        "empty": f"{objects}?added_after={end.headers['x-taxii-date-added-last']}",
    }
    answers = {name: bench.get(path) for name, path in paths.items()}
    wrk = Generator(bench.folder, bench.headers, bench.seconds)
    rows = []
    with servers.nginx(bench, answers) as nginx, servers.granian(bench, answers) as granian:
        for name, path in paths.items():
            say(f"read: {_WHAT[name]}, {len(answers[name].body):,} bytes, {CONNECTIONS} connections")
            runs = interleaved(
                bench.rounds,
                partial(_rate, wrk, bench.world.url + path),
                partial(_rate, wrk, f"{nginx}/{name}"),
                partial(_rate, wrk, f"{granian}/{name}"),
            )
            ours, theirs, bare = (median(runs, which) for which in range(3))
            rows += [
                at_least(
                    "read",
                    f"{_WHAT[name]} / nginx",
                    median_ratio(runs, 0, 1),
                    _TARGETS[name],
                    f"{ours:,.0f}/s of {theirs:,.0f}/s",
                ),
                at_least(
                    "read",
                    f"{_WHAT[name]} / bare granian",
                    median_ratio(runs, 0, 2),
                    None,
                    f"{ours:,.0f}/s of {bare:,.0f}/s",
                ),
            ]
    return rows


def _rate(wrk: Generator, url: str) -> float:
    return wrk.run(url, connections=CONNECTIONS).per_second
