"""The CSV file of populations: `value,users,kind` and perhaps `note`, a header line first."""

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass

from indicators.allowlists.blast import Population
from indicators.allowlists.entries import entry
from indicators.allowlists.watched import Value

MOST_USERS = 10**10
_NEEDED = ("value", "users", "kind")


class InvalidPopulations(ValueError):
    """A file that cannot be loaded; the sentence names the line, the column and the reason."""


@dataclass(frozen=True, slots=True)
class Row:
    """A population with the operator's note on it."""

    population: Population
    note: str


def read(raw: bytes, *, kinds: Collection[str]) -> list[Row]:
    """The rows of a file, whole or not at all; raises `InvalidPopulations` for the first line that cannot be."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidPopulations(f"byte {error.start}: the file is not UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows: dict[Value, Row] = {}
    try:
        missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
        if missing:
            raise InvalidPopulations(
                f"line 1: the column {missing[0]} is missing; {', '.join(_NEEDED)} are needed"
            )
        for cells in reader:
            try:
                row = _row(cells, kinds)
            except ValueError as error:
                raise InvalidPopulations(f"line {reader.line_num}: {error}") from error
            if row.population.value in rows:
                raise InvalidPopulations(f"line {reader.line_num}: value: {cells['value']} is named twice")
            rows[row.population.value] = row
    except csv.Error as error:
        raise InvalidPopulations(f"line {reader.line_num}: {error}") from error
    return list(rows.values())


def _row(cells: dict[str, str], kinds: Collection[str]) -> Row:
    if None in cells or None in cells.values():
        raise ValueError("it has more or fewer cells than the header")
    try:
        said = entry(cells["value"])
    except ValueError as error:
        raise ValueError(f"value: {error}") from error
    if said.asn_first != said.asn_last:
        raise ValueError("value: one AS number, not a range")
    users = cells["users"].strip()
    if not (users.isascii() and users.isdigit()) or int(users) > MOST_USERS:
        raise ValueError(f"users: a whole number from 0 to {MOST_USERS:,} is needed")
    kind = cells["kind"].strip()
    if kind not in kinds:
        raise ValueError(f"kind: one of {', '.join(kinds)} is needed")
    value = (
        said.network
        if said.network is not None
        else said.domain
        if said.domain is not None
        else said.asn_first
    )
    assert value is not None
    return Row(Population(value, int(users), kind), (cells.get("note") or "").strip())
