"""python -m tests.bench [--quick] [part ...]: patterns verify desk read deep crawl ingest findings growth …"""

import argparse
import os
import signal
import sys
from types import FrameType

from tests.bench import (
    crawl,
    deep,
    desk,
    findings,
    growth,
    ingest,
    memory,
    patterns,
    poison,
    read,
    servers,
    verify,
)
from tests.bench.bench import Bench
from tests.bench.table import Row, formatted

PARTS = {
    "read": read.run,
    "deep": deep.run,
    "crawl": crawl.run,
    "ingest": ingest.run,
    "poison": poison.run,
    "findings": findings.run,
    "growth": growth.run,
    "memory": memory.run,
}
# These need no service, or one of their own.
ALONE = {"patterns": patterns.run, "verify": verify.run, "desk": desk.run}
CORES = 2


def main(arguments: list[str] | None = None) -> int:
    """Run the parts and print their table; 2 where a program is missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure the service.")
    parser.add_argument(
        "parts", nargs="*", choices=[*ALONE, *PARTS, []], metavar="part", help=", ".join((*ALONE, *PARTS))
    )
    parser.add_argument(
        "--quick", action="store_true", help="short runs and small collections: does it work?"
    )
    options = parser.parse_args(arguments)
    chosen = options.parts or [*ALONE, *PARTS]
    served = [name for name in chosen if name in PARTS]
    missing = servers.missing() if served else []
    if missing:
        print(
            f"{' and '.join(missing)} not found on PATH. On Debian: apt-get install nginx-light wrk",
            file=sys.stderr,
        )
        return 2
    # Killed, it still stops and removes what it started.
    signal.signal(signal.SIGTERM, _leave)
    # Everything that is started inherits it: figures are for two cores, on any machine.
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    os.sched_setaffinity(0, cores)
    print(f"Stillwatch's benchmarks on {len(cores)} cores; load average before: {os.getloadavg()[0]:.1f}")
    rows: list[Row] = []
    for name in chosen:
        if name in ALONE:
            rows += ALONE[name](options.quick)
    if served:
        with Bench.start(quick=options.quick) as bench:
            for name in served:
                rows += PARTS[name](bench)
    print()
    print(formatted(rows))
    print()
    print("Ratios are medians of interleaved runs; absolute figures hold for this machine and minute only.")
    if options.quick:
        print("--quick: runs are short and collections small, so these figures only show that it works.")
    return 0


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
