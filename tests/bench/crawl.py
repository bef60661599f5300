"""All pages of a large collection, one after the other on one connection, as a new subscriber reads them."""

from functools import partial

from tests.bench import servers
from tests.bench.bench import LARGE, Bench, say
from tests.bench.load import Generator, interleaved, median, median_ratio
from tests.bench.table import Row, at_least


def run(bench: Bench) -> list[Row]:
    objects = bench.filled(LARGE)
    # The cursors are followed once; wrk then asks for the same pages in the same order, faster than Python reads.
    pages = list(bench.pages(objects))
    paths = [path for path, _ in pages]
    answers = {f"crawl-{number:04}": answer for number, (_, answer) in enumerate(pages)}
    mebibytes = sum(len(answer.body) for answer in answers.values()) / 2**20
    say(f"crawl: {bench.size(LARGE):,} objects, {len(pages)} pages, {mebibytes:.0f} MiB")
    wrk = Generator(bench.folder, bench.headers, 2 * bench.seconds)
    with servers.nginx(bench, answers) as nginx:
        runs = interleaved(
            bench.rounds,
            partial(_rate, wrk, bench.world.url, paths),
            partial(_rate, wrk, nginx, [f"/{name}" for name in answers]),
        )
    ours, theirs = median(runs, 0), median(runs, 1)
    size = bench.size(LARGE)
    return [
        at_least(
            "crawl",
            f"{size:,} objects / nginx",
            median_ratio(runs, 0, 1),
            None,
            f"{len(pages) / ours:.1f} s to {len(pages) / theirs:.2f} s; {size * ours / len(pages):,.0f} objects/s",
        )
    ]


def _rate(wrk: Generator, url: str, paths: list[str]) -> float:
    return wrk.run(url, connections=1, paths=paths).per_second
