"""What the log costs: entries that it takes, publishing with and without it, proofs, and what they add to a page."""

import gzip
import json
import statistics
from typing import Any

from tests.bench import ingest
from tests.bench.bench import COMMUNITY, SMALL, Bench, say
from tests.bench.table import Row, at_least, at_most

PER_SECOND = 20_000
PUBLISHING = 0.7
PROOF_MS = 2.0
PROOF_SHARE = 0.25
_BATCH = 2000
_SEED = 11_000_000_000
# What the proxy compresses with (docker/nginx.conf).
_GZIP_LEVEL = 4


def run(bench: Bench) -> list[Row]:
    return [*_sequencing(bench), *_proofs(bench), *_pages(bench)]


def _sequencing(bench: Bench) -> list[Row]:
    """Whole STIX objects, as the one writer takes them: seconds by the clock from lock to commit, with all
    that makes an entry (statement, salts, opening, the row and its indexes, edge and tiles). What is held to the target
    is that, once a signature is there; signing is a cost of its own, and the second row has it."""
    batches = 2 if bench.quick else 10
    count = batches * _BATCH
    say(f"trust: {count:,} entries in batches of {_BATCH:,}, four ways in turns")
    whole, bare = (bench.world.collection(alias, COMMUNITY) for alias in ("whole", "bare"))
    taken = _told(bench, f"sequence({whole!r}, {bare!r}, {batches}, {_BATCH}, {bench.rounds}, {_SEED})")
    wall = {name: [one for one, _ in rounds] for name, rounds in taken.items()}
    cpu = {name: [one for _, one in rounds] for name, rounds in taken.items()}

    def rate(name: str, label: str, target: int | None) -> Row:
        found = count / statistics.median(wall[name])
        return Row(
            "trust",
            label,
            f"{found:,.0f}",
            f">= {target:,}" if target else "",
            found >= target if target else None,
            f"{statistics.median(cpu[name]) / count * 1e6:.1f} µs CPU an entry beside the database's",
        )

    def ratio(name: str, label: str) -> Row:
        found = [less / more for less, more in zip(wall[name], wall["everything"], strict=True)]
        used = [less / more for less, more in zip(cpu[name], cpu["everything"], strict=True)]
        return at_least(
            "trust",
            f"publishing with the log / {label}",
            statistics.median(found),
            PUBLISHING,
            f"by CPU {statistics.median(used):.2f}",
        )

    return [
        rate("signed before", "entries/s sequenced, signed before", PER_SECOND),
        rate("everything", "entries/s sequenced, signatures and all", None),
        ratio("without tree", "without its tree"),
        ratio("without log", "without statements, openings and tree"),
    ]


def _proofs(bench: Bench) -> list[Row]:
    size = 70_000 if bench.quick else 1_000_000
    say(f"trust: proofs in a log of {size:,} entries")
    collection = bench.world.collection("long", COMMUNITY)
    told = _told(bench, f"prove({collection!r}, {200 if bench.quick else 1000}, {size})")
    return [
        at_most(
            "trust",
            f"{what} at {size:,} entries, ms",
            wall * 1000,
            PROOF_MS,
            f"{cpu * 1000:.2f} ms CPU beside the database's",
        )
        for what, (wall, cpu) in told.items()
    ]


def _pages(bench: Bench) -> list[Row]:
    """A page of 1,000 of the feed, and of the small objects that were posted, asked for with and without proof."""
    ingest.submit(bench, 1, _SEED)
    rows = []
    for what, path in (
        ("the feed", f"/taxii2/{COMMUNITY}/collections/green/objects/"),
        ("small objects", bench.filled(SMALL)),
    ):
        plain = bench.get(f"{path}?limit=1000&match[version]=all").body
        proved = bench.get(f"{path}?limit=1000&proof=1").body
        packed, more = (len(gzip.compress(one, _GZIP_LEVEL)) for one in (plain, proved))
        count = len(json.loads(plain)["objects"])
        rows.append(
            at_most(
                "trust",
                f"proof added to a gzipped page of {what}",
                more / packed - 1,
                PROOF_SHARE,
                f"{(more - packed) / count:,.0f} bytes an object to its {packed / count:,.0f}",
            )
        )
    return rows


def _told(bench: Bench, call: str) -> dict[str, Any]:
    """What a function of tests/bench/sequence.py prints at its end."""
    said = bench.world.manage("shell", "--command", f"from tests.bench import sequence; sequence.{call}")
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found
