"""Memory of each process after work: resident (RSS), and with shared pages shared out (PSS)."""

import psutil

from tests.bench import ingest
from tests.bench.bench import SMALL, Bench, say
from tests.bench.load import Generator
from tests.bench.table import Row

TARGET = 200
"""MB (10**6 bytes) of RSS for a web worker."""
_SEED = 6_000_000_000


def run(bench: Bench) -> list[Row]:
    say("memory: after envelopes and the largest pages")
    ingest.submit(bench, 3, _SEED)
    wrk = Generator(bench.folder, bench.headers, bench.seconds)
    wrk.run(f"{bench.world.url}{bench.filled(SMALL)}?limit=5000&proof=1", connections=8)
    rows = []
    for name, pid in bench.world.pids().items():
        process = psutil.Process(pid)
        rows.append(_row(name, process, limited=False))
        children = process.children(recursive=True) if name not in {"serve"} else []
        workers = [child for child in children if _is_worker(name, child)]
        rows += [_row(f"{name} worker", child, limited=name == "web") for child in workers]
        others = [child for child in children if child not in workers]
        if others:
            rows.append(_sum(f"{name}: {len(others)} other processes", others))
    return rows


def _is_worker(name: str, process: psutil.Process) -> bool:
    """PostgreSQL's many processes and Python's resource trackers are summed up instead."""
    return name not in {"postgres"} and "resource_tracker" not in " ".join(process.cmdline())


def _row(name: str, process: psutil.Process, *, limited: bool) -> Row:
    used = process.memory_full_info()
    rss, pss = used.rss / 1e6, used.pss / 1e6
    behind = f"PSS {pss:.0f} MB, pid {process.pid}"
    if limited:
        return Row("memory", f"{name}, MB RSS", f"{rss:.0f}", f"< {TARGET}", rss < TARGET, behind)
    return Row("memory", f"{name}, MB RSS", f"{rss:.0f}", behind=behind)


def _sum(name: str, processes: list[psutil.Process]) -> Row:
    pss = sum(process.memory_full_info().pss for process in processes) / 1e6
    return Row("memory", f"{name}, MB PSS", f"{pss:.0f}")
