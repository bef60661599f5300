"""wrk, the load generator: one in C, because a client in Python would be slower than what it measures."""

import json
import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_REPORT = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\nREPORT {"requests":%d,"us":%d,"bytes":%d,"errors":%d,"median_us":%d}\\n',
    summary.requests, summary.duration, summary.bytes,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50)))
end
"""
_IN_TURN = """
local turn = 0
request = function()
  turn = turn %% #paths + 1
  return wrk.format("GET", paths[turn])
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk saw."""

    per_second: float
    median_ms: float


@dataclass(frozen=True, slots=True)
class Generator:
    """wrk with the headers that every request has; it keeps its connections."""

    folder: Path
    headers: dict[str, str]
    seconds: int

    def run(
        self, url: str, *, connections: int, paths: Sequence[str] = (), seconds: int | None = None
    ) -> Load:
        """Ask for `url`, or in turn for `paths` at its server, over and over; any failed request is an error."""
        script = self.folder / "wrk.lua"
        listed = ",".join(json.dumps(path) for path in paths)
        script.write_text(
            _REPORT + (f"local paths = {{{listed}}}\n" + _IN_TURN.replace("%%", "%") if paths else "")
        )
        command = ["wrk", "--threads", str(min(2, connections)), "--connections", str(connections)]
        command += ["--duration", f"{seconds or self.seconds}s", "--timeout", "30s", "--script", str(script)]
        for name, value in self.headers.items():
            command += ["--header", f"{name}: {value}"]
        done = subprocess.run([*command, url], capture_output=True, text=True, check=True)
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("REPORT ")]
        report = json.loads(line.removeprefix("REPORT "))
        assert report["requests"], done.stdout
        assert not report["errors"], done.stdout
        return Load(report["requests"] * 1e6 / report["us"], report["median_us"] / 1000)


def interleaved(rounds: int, *measures: Callable[[], float]) -> list[tuple[float, ...]]:
    """A B C, A B C, …: one tuple a round, after one run of each that only warms up."""
    for measure in measures:
        measure()
    return [tuple(measure() for measure in measures) for _ in range(rounds)]


def median_ratio(runs: Sequence[tuple[float, ...]], over: int, under: int) -> float:
    """The median over the rounds of one measure divided by another of the same round."""
    return statistics.median(run[over] / run[under] for run in runs)


def median(runs: Sequence[tuple[float, ...]], which: int) -> float:
    """The median of one measure."""
    return statistics.median(run[which] for run in runs)
