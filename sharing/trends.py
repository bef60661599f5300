"""What the charts of the home page show: numbers by day, as `sharing.actions.tallies` counted them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from accounts import sql
from sharing.actions.tallies import WIDEST

DAYS = 30
_MOST_SOURCES, _MOST_TECHNIQUES = 10, 12


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart and the table that says the same: `series` are (name, numbers), one number for each of `labels`."""

    name: str
    title: str
    kind: str
    by: str
    labels: list[str]
    series: list[tuple[str, list[int]]]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(number for _, numbers in self.series for number in numbers)

    @property
    def element(self) -> str:
        """The id of the element that holds its numbers."""
        return f"chart-{self.name}"

    @property
    def rows(self) -> list[tuple[str, list[int]]]:
        """Its table: a label and a number of each series."""
        return [
            (label, [numbers[place] for _, numbers in self.series]) for place, label in enumerate(self.labels)
        ]

    @property
    def drawn(self) -> dict[str, object]:
        """What the script draws."""
        return {
            "kind": self.kind,
            "labels": self.labels,
            "series": [{"label": name, "values": numbers} for name, numbers in self.series],
        }


def charts(*, now: datetime) -> list[Chart]:
    """All charts, of the last 30 days."""
    return [
        _by_day(now),
        _ranked(
            "sources",
            "Objects submitted in 30 days, by organisation",
            "Organisation",
            "Objects",
            _by_source(now),
            _MOST_SOURCES,
        ),
        _ranked(
            "techniques",
            "Indicators released in 30 days, by tactic and technique",
            "Tactic or technique",
            "Indicators",
            _by_technique(now),
            _MOST_TECHNIQUES,
        ),
        _confidence(),
    ]


def counted_at() -> datetime | None:
    """As of when the numbers are: that of what was counted longest ago; None before the first count."""
    found = sql.row("SELECT min(counted_at) FROM sharing_tally")
    return found[0] if found else None


def _since(now: datetime) -> date:
    return now.astimezone(UTC).date() - timedelta(days=DAYS - 1)


def _by_day(now: datetime) -> Chart:
    since = _since(now)
    days = [since + timedelta(days=number) for number in range(DAYS)]
    counted = {
        (measure, day): int(number)
        for measure, day, number in sql.rows(
            f"SELECT measure, day, sum(count) FROM sharing_dailycount WHERE day >= %s AND (measure = 'submissions'"
            f" OR measure = 'released' AND scope IN (SELECT id FROM ({WIDEST}) AS widest)) GROUP BY 1, 2",
            (since,),
        )
    }
    return Chart(
        "days",
        "Submissions and released indicators, by day",
        "line",
        "Day (UTC)",
        [day.isoformat() for day in days],
        [
            ("Submissions", [counted.get(("submissions", day), 0) for day in days]),
            ("Indicators released", [counted.get(("released", day), 0) for day in days]),
        ],
    )


def _by_source(now: datetime) -> list[tuple[str, int]]:
    return [
        (name, int(number))
        for name, number in sql.rows(
            "SELECT o.name, sum(c.count) FROM sharing_dailycount c JOIN accounts_organization o ON o.id::text = c.key"
            " WHERE c.measure = 'objects' AND c.day >= %s GROUP BY o.id, o.name ORDER BY 2 DESC, 1",
            (_since(now),),
        )
    ]


def _by_technique(now: datetime) -> list[tuple[str, int]]:
    return [
        (name, int(number))
        for name, number in sql.rows(
            "SELECT coalesce(t.atlas_id || ' ' || t.name, t.name, CASE c.key WHEN 'phase:other'"
            " THEN 'another kill chain or tactic' ELSE replace(substr(c.key, 7), '-', ' ') || ' (tactic)' END),"
            " sum(c.count) FROM sharing_dailycount c"
            " LEFT JOIN indicators_technique t ON 'technique:' || t.object_id = c.key"
            f" WHERE c.measure = 'technique' AND c.day >= %s AND c.scope IN (SELECT id FROM ({WIDEST}) AS widest)"
            " GROUP BY 1 ORDER BY 2 DESC, 1",
            (_since(now),),
        )
    ]


def _ranked(name: str, title: str, by: str, unit: str, counted: list[tuple[str, int]], most: int) -> Chart:
    """Bars, longest first; those beyond `most` are one."""
    shown, rest = counted[:most], sum(number for _, number in counted[most:])
    if rest:
        shown = [*shown, ("All others", rest)]
    return Chart(name, title, "bar", by, [label for label, _ in shown], [(unit, [one for _, one in shown])])


def _confidence() -> Chart:
    counted = {
        int(key): int(number)
        for key, number in sql.rows(
            "SELECT key, sum(count) FROM sharing_dailycount WHERE measure = 'confidence' AND day ="
            " (SELECT max(day) FROM sharing_dailycount WHERE measure = 'confidence')"
            f" AND scope IN (SELECT id FROM ({WIDEST}) AS widest) GROUP BY 1"
        )
    }
    steps = range(0, 101, 5)
    return Chart(
        "confidence",
        "Indicators that stand, by confidence",
        "column",
        "Confidence",
        [str(step) for step in steps],
        [("Indicators", [_between(counted, step, step + 5) for step in steps])],
    )


def _between(counted: dict[int, int], low: int, high: int) -> int:
    return sum(number for confidence, number in counted.items() if low <= confidence < high)
