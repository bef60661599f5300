"""The time of a page deep in a collection against that of its first page, plain and with `proof=1`."""

from functools import partial

from tests.bench.bench import LARGE, SMALL, Bench, say
from tests.bench.load import Generator, interleaved, median, median_ratio
from tests.bench.table import Row, at_most

TARGET = 1.1


def run(bench: Bench) -> list[Row]:
    wrk = Generator(bench.folder, bench.headers, bench.seconds)
    rows: list[Row] = []
    for alias in (SMALL, LARGE):
        objects = bench.filled(alias)
        pages = list(bench.pages(objects))
        # The last page but one: it is full and knows of more, as the first one does. Proofs are also asked for in the
        # middle, far from both ends of the log.
        end, middle = (
            f"added_after={page.headers['x-taxii-date-added-last']}"
            for _, page in (pages[-3], pages[len(pages) // 2])
        )
        say(f"deep: {bench.size(alias):,} objects")
        asked = {
            "first": pages[0][0],
            "next": pages[-2][0],
            "added_after": f"{objects}?limit=1000&{end}",
            "first, proof=1": f"{objects}?limit=1000&proof=1",
            "middle, proof=1": f"{objects}?limit=1000&proof=1&{middle}",
            "end, proof=1": f"{objects}?limit=1000&proof=1&{end}",
        }
        measures = [partial(_milliseconds, wrk, bench.world.url + path) for path in asked.values()]
        runs = interleaved(bench.rounds, *measures)
        for which, way in enumerate(asked):
            first = 3 if which >= 3 else 0
            if which != first:
                rows.append(
                    at_most(
                        "deep",
                        f"{way} / first page, {bench.size(alias):,} objects (time)",
                        median_ratio(runs, which, first),
                        TARGET,
                        f"{median(runs, which):.2f} ms to {median(runs, first):.2f} ms",
                    )
                )
    return rows


def _milliseconds(wrk: Generator, url: str) -> float:
    return wrk.run(url, connections=1).median_ms
