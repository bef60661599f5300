"""The time of a page near the end of a collection against that of its first page."""

from functools import partial

from tests.bench.bench import LARGE, SMALL, Bench, say
from tests.bench.load import Generator, interleaved, median, median_ratio
from tests.bench.table import Row, at_most

TARGET = 1.1


def run(bench: Bench) -> list[Row]:
    wrk = Generator(bench.folder, bench.headers, bench.seconds)
    rows = []
    for alias in (SMALL, LARGE):
        objects = bench.filled(alias)
        pages = list(bench.pages(objects))
        # The last page but one: it is full and knows of more, as the first one does.
        by_next = pages[-2][0]
        before = pages[-3][1].headers["x-taxii-date-added-last"]
        say(f"deep: {bench.size(alias):,} objects")
        runs = interleaved(
            bench.rounds,
            partial(_milliseconds, wrk, bench.world.url + pages[0][0]),
            partial(_milliseconds, wrk, bench.world.url + by_next),
            partial(_milliseconds, wrk, f"{bench.world.url}{objects}?limit=1000&added_after={before}"),
        )
        rows += [
            at_most(
                "deep",
                f"{way}, deep page / first page, {bench.size(alias):,} objects (time)",
                median_ratio(runs, which, 0),
                TARGET,
                f"{median(runs, which):.2f} ms to {median(runs, 0):.2f} ms",
            )
            for which, way in ((1, "next"), (2, "added_after"))
        ]
    return rows


def _milliseconds(wrk: Generator, url: str) -> float:
    return wrk.run(url, connections=1).median_ms
