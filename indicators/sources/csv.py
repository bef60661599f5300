"""CSV files of indicators, one a row (docs/files.md lists the columns), and cells on the way out that do no harm."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from indicators.dedup.identity import indicator_key
from indicators.patterns import PatternError, canonical
from indicators.sources import single
from indicators.sources.items import Item, derived_id, not_understood
from indicators.sources.known import Draft, Known, ids, objects
from indicators.stix.json import MAX_OBJECTS, Refused
from indicators.stix.markings import TLP, marking_id
from indicators.stix.timestamps import from_datetime_ms, to_sortable

#: The code of every refusal that this module makes.
CODES = ("csv-bad-cell", "csv-encoding", "csv-header", "csv-quoting", "csv-repeated-row", "csv-row-length")

#: The columns that are read, and what each holds.
COLUMNS: Mapping[str, str] = {
    "value": "an address, domain name, URL, file hash or AS number, defanged or not",
    "type": "the kind of the value; told by its form when absent",
    "pattern": "a STIX pattern, instead of a value",
    "name": "a short title",
    "description": "free text; stays with the service",
    "confidence": "0 to 100",
    "tlp": "clear, green, amber, amber+strict or red",
    "valid_from": "a date or an RFC 3339 time",
    "valid_until": "a date or an RFC 3339 time",
    "labels": "separated by semicolons",
    "indicator_types": "separated by semicolons",
    "techniques": "ATLAS ids, separated by semicolons",
    "id": "the sender's own reference; stays with the service",
}
MAX_COLUMNS = 100
#: In characters. A cell beyond it is most likely a quotation mark that was never closed.
MAX_CELL = 131_072
_MAX_LIST = 50
_MAX_NAME = 300
_MAX_REFERENCE = 300
_MAX_LABEL = 250
#: Rows that are compared with what is held at a time.
_BATCH = 500
_DELIMITERS = ",;\t|"
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}


# ----------------------------------------------------------------------------------------------------
# In


def split(body: bytes, *, max_bytes: int) -> list[bytes]:
    """A JSON text for each row: `line` where it begins, `cells` by column, or `fault`, a code and a reason; `notes`.

    Raises `Refused` for what is no CSV file with a header.
    """
    if len(body) > max_bytes:
        raise Refused(
            "too-large", "", f"the body is {len(body):,} bytes long, more than the {max_bytes:,} allowed"
        )
    text = _text(body)
    start, delimiter = dialect(text)
    lines = 1 if start else 0
    # Nothing of Python's is set for the whole process: the limit of the reader is checked for, not changed.
    reader = csv.reader(io.StringIO(text[start:], newline=""), delimiter=delimiter, strict=True)
    columns, notes = _columns(reader, lines, delimiter)
    parts: list[bytes] = []
    while True:
        line = lines + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            parts.append(_encoded(line, fault=_fault(error, line)))
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if len(parts) >= MAX_OBJECTS:
            raise Refused(
                "too-many-objects", "", f"there are more rows than the {MAX_OBJECTS:,} that are taken at once"
            )
        surplus = [cell for cell in cells[len(columns) :] if cell.strip()]
        if surplus:
            reason = (
                f"the row has {len(cells)} cells, the header {len(columns)}; a cell that holds the {_NAMES[delimiter]}"
                " must stand in quotation marks"
            )
            parts.append(_encoded(line, fault=("csv-row-length", reason)))
            continue
        known = {
            column: read_cell(cell)
            for column, cell in zip(columns, cells, strict=False)
            if column in COLUMNS and cell.strip()
        }
        parts.append(_encoded(line, cells=known, notes=() if parts else notes))
    return parts


def _encoded(
    line: int, *, cells: Mapping[str, str] | None = None, fault: Sequence[str] = (), notes: Sequence[str] = ()
) -> bytes:
    return msgspec.json.encode({"line": line, "cells": cells or {}, "fault": fault, "notes": notes})


def _text(body: bytes) -> str:
    if body[:2] in (b"\xff\xfe", b"\xfe\xff") or body[:200].count(b"\0") * 3 > len(body[:200]):
        raise Refused("csv-encoding", "", 'the file is UTF-16; save it as "CSV UTF-8"')
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise Refused(
            "csv-encoding",
            f"line {line}",
            f"the byte 0x{body[error.start]:02x} is not UTF-8, as in files saved as Latin-1 or Windows-1252; save it as"
            ' "CSV UTF-8"',
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise Refused(
            "csv-encoding", f"line {line}", "the character U+0000 stands here; this is no text file"
        )
    return text


_SEPARATOR_LINE = re.compile(r"sep=([,;\t|])\r?\n", re.IGNORECASE)


def _separator_line(text: str) -> int:
    """How long the line is in which spreadsheets say the delimiter; 0 where there is none."""
    match = _SEPARATOR_LINE.match(text)
    return 0 if match is None else match.end()


def _delimiter(text: str) -> str:
    """The delimiter under which the header names the most columns that are known."""
    return max(_DELIMITERS, key=lambda delimiter: len(_names(text[:8192], delimiter) & COLUMNS.keys()))


def dialect(text: str) -> tuple[int, str]:
    """How long the line is in which the delimiter is said, 0 where there is none; and the delimiter."""
    start = _separator_line(text)
    return start, text[4] if start else _delimiter(text)


def _names(text: str, delimiter: str) -> set[str]:
    try:
        return {
            _column(cell) for cell in next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        }
    except (csv.Error, StopIteration):
        return set()


def _column(cell: str) -> str:
    return cell.strip().lower().replace(" ", "_").replace("-", "_")


def _columns(reader: Iterator[list[str]], lines: int, delimiter: str) -> tuple[list[str], list[str]]:
    place = f"line {lines + 1}"
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise Refused("csv-header", place, f"the header cannot be read: {error}") from None
    columns = [_column(cell) for cell in header]
    if not {"value", "pattern"} & set(columns):
        named = ", ".join(repr(column[:30]) for column in columns[:6] if column) or "nothing"
        raise Refused(
            "csv-header", place, f'the first row must name a column "value" or "pattern"; it holds {named}'
        )
    if len(columns) > MAX_COLUMNS:
        raise Refused("csv-header", place, f"there are more than {MAX_COLUMNS} columns")
    twice = next((column for column in columns if column in COLUMNS and columns.count(column) > 1), None)
    if twice is not None:
        raise Refused("csv-header", place, f'the column "{twice}" stands there twice')
    unknown = [
        cell.strip()[:60] for cell, column in zip(header, columns, strict=True) if column not in COLUMNS
    ]
    notes = [f'The column "{name}" is not known and was left out.' for name in unknown if name]
    return columns, notes


def _fault(error: csv.Error, line: int) -> tuple[str, str]:
    if "field limit" in str(error):
        reason = (
            f"a cell of the row is longer than {MAX_CELL:,} characters: a quotation mark may never be closed"
        )
        raise Refused("csv-quoting", f"line {line}", reason) from None
    if "unexpected end" in str(error):
        reason = "a quotation mark of the row that begins here is never closed"
        raise Refused("csv-quoting", f"line {line}", reason) from None
    return (
        "csv-quoting",
        "inside quotation marks a quotation mark must be doubled, and after the last one the cell must end",
    )


# ----------------------------------------------------------------------------------------------------
# What becomes of a row


class _BadCell(ValueError):
    """What is wrong with a cell, and its column."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


def items(parts: Sequence[bytes], *, organization_id: str, now: datetime, known: Known) -> Iterator[Item]:
    """An item for each row. `now` is when the file came, of which the versions of new and changed rows are made."""
    modified = from_datetime_ms(now)
    seen: dict[str, int] = {}
    for first in range(0, len(parts), _BATCH):
        read = [_read(part, organization_id, known, seen) for part in parts[first : first + _BATCH]]
        said_before = known.said_before([one.indicator["id"] for _, one, _ in read if isinstance(one, Draft)])
        wanted = [
            one
            for _, draft, _ in read
            if isinstance(draft, Draft)
            for one in ids(draft.indicator["id"], organization_id=organization_id, known=known)
        ]
        held = known.held(wanted) if wanted else {}
        for place, draft, notes in read:
            if isinstance(draft, Refused):
                yield Item(place, refusal=draft, notes=notes)
                continue
            if draft.indicator["id"] in said_before:
                yield Item(place, refusal=_repeated(place, "a row further up in the file"), notes=notes)
                continue
            fault = _passed(draft, held, modified)
            if fault is not None:
                place_of = f"{place}, column valid_until"
                yield Item(place, refusal=Refused("csv-bad-cell", place_of, fault), notes=notes)
                continue
            try:
                made = tuple(
                    objects(draft, organization_id=organization_id, known=known, held=held, modified=modified)
                )
            except Refused as refusal:
                yield Item(place, refusal=Refused(refusal.code, place, refusal.reason), notes=notes)
                continue
            except Exception as error:  # noqa: BLE001 - one row, not its neighbours
                yield Item(place, refusal=not_understood(error, place))
                continue
            yield Item(place, objects=made, notes=notes)


def _passed(draft: Draft, held: Mapping[str, Any], modified: str) -> str | None:
    indicator = draft.indicator
    if "valid_from" in indicator or "valid_until" not in indicator or indicator["id"] in held:
        return None
    if to_sortable(indicator["valid_until"]) > to_sortable(modified):
        return None
    return "it has passed already; where that is meant, valid_from must stand beside it"


def _read(
    part: bytes, organization_id: str, known: Known, seen: dict[str, int]
) -> tuple[str, Draft | Refused, tuple[str, ...]]:
    row = msgspec.json.decode(part)
    place, notes = f"line {row['line']}", tuple(row["notes"])
    if row["fault"]:
        code, reason = row["fault"]
        return place, Refused(code, place, reason), notes
    try:
        draft = _draft(row["cells"], organization_id, known)
    except _BadCell as bad:
        return place, Refused("csv-bad-cell", f"{place}, column {bad.column}", bad.reason), notes
    except Exception as error:  # noqa: BLE001 - one row, not its neighbours
        return place, not_understood(error, place), ()
    line = seen.setdefault(draft.indicator["id"], row["line"])
    if line != row["line"]:
        return place, _repeated(place, f"line {line}"), notes
    return place, draft, notes


def _repeated(place: str, earlier: str) -> Refused:
    reason = (
        f"it watches for the same as {earlier}, and only one row can say what is held of it; that one counts"
    )
    return Refused("csv-repeated-row", place, reason)


def _draft(cells: Mapping[str, str], organization_id: str, known: Known) -> Draft:
    pattern = _pattern(cells)
    key = indicator_key("stix", pattern).hex()
    indicator: dict[str, Any] = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": derived_id("indicator", organization_id, key),
        "pattern": pattern,
        "pattern_type": "stix",
        "pattern_version": "2.1",
    }
    for column, made in _READINGS.items():
        text = cells.get(column, "").strip()
        if text:
            try:
                indicator[column] = made(text)
            except ValueError as error:
                raise _BadCell(column, str(error)) from None
    level = indicator.pop("tlp", None)
    if level is not None:
        indicator["object_marking_refs"] = [marking_id(level)]
    reference = cells.get("id", "").strip()
    if reference:
        if len(reference) > _MAX_REFERENCE:
            raise _BadCell("id", f"a reference is at most {_MAX_REFERENCE} characters long")
        indicator["external_references"] = [{"source_name": "own-reference", "external_id": reference}]
    if "valid_until" in indicator and to_sortable(indicator["valid_until"]) <= to_sortable(
        indicator.get("valid_from", "0001-01-01T00:00:00Z")
    ):
        raise _BadCell("valid_until", "it is not after valid_from")
    return Draft(indicator, _techniques(cells.get("techniques", ""), known))


def _pattern(cells: Mapping[str, str]) -> str:
    value, pattern = cells.get("value", "").strip(), cells.get("pattern", "").strip()
    if value and pattern:
        raise _BadCell("pattern", "a row holds a value or a pattern, not both")
    if value:
        try:
            kind, normal = single.normal(value, cells.get("type", ""))
        except ValueError as error:
            column = "type" if str(error).startswith("the type") else "value"
            raise _BadCell(column, str(error)) from None
        return single.pattern(kind, normal)
    if not pattern:
        raise _BadCell("value", "the row holds neither a value nor a pattern")
    try:
        return canonical(pattern)
    except PatternError as error:
        raise _BadCell("pattern", error.reason) from None


def _name(text: str) -> str:
    text = " ".join(text.split())
    if len(text) > _MAX_NAME:
        raise ValueError(f"a name is at most {_MAX_NAME} characters long")
    return text


def _tlp(text: str) -> TLP:
    try:
        return TLP.parse(text)
    except ValueError:
        raise ValueError(f"it is not one of {', '.join(level.label for level in TLP)}") from None


def _confidence(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 4 and int(text) <= 100):
        raise ValueError("it is not a whole number from 0 to 100")
    return int(text)


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)"
    r"\s?([Zz]|[+-][0-9]{2}:?[0-9]{2})"
)


def _moment(text: str, of_day: str) -> str:
    try:
        if _DATE.fullmatch(text):
            return f"{date.fromisoformat(text).isoformat()}{of_day}"
        match = _TIME.fullmatch(text)
        if match is not None:
            moment = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[3].upper()}").astimezone(UTC)
            return from_datetime_ms(moment)
    except (ValueError, OverflowError):
        pass
    raise ValueError(
        "it is neither a date such as 2026-01-31 nor a time with its zone, such as 2026-01-31T12:00:00Z"
    )


def _listed(text: str) -> list[str]:
    found = list(dict.fromkeys(filter(None, (one.strip() for one in text.split(";")))))
    if not found:
        raise ValueError("there is nothing but semicolons in it")
    if len(found) > _MAX_LIST or any(len(one) > _MAX_LABEL for one in found):
        raise ValueError(f"a list has at most {_MAX_LIST} entries of {_MAX_LABEL} characters")
    return found


def _types(text: str) -> list[str]:
    return _listed(text.lower())


_READINGS: Mapping[str, Callable[[str], Any]] = {
    "name": _name,
    "description": str,
    "confidence": _confidence,
    "tlp": _tlp,
    "valid_from": lambda text: _moment(text, "T00:00:00.000Z"),
    # A day on which it is valid until is the last one on which it is.
    "valid_until": lambda text: _moment(text, "T23:59:59.999Z"),
    "labels": _listed,
    "indicator_types": _types,
}


def _techniques(text: str, known: Known) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(one.strip().upper() for one in text.split(";") if one.strip()))
    for one in found:
        if one not in known.techniques:
            raise _BadCell(
                "techniques",
                f"it names what is none of the techniques: {', '.join(sorted(known.techniques))}",
            )
    return found


# ----------------------------------------------------------------------------------------------------
# Out

#: What makes a spreadsheet take a cell for a formula (OWASP, "CSV Injection"), and the apostrophe that keeps it a text.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def table(rows: Iterable[Iterable[object]]) -> str:
    """CSV (RFC 4180) with CR LF, in which no cell is a formula; None is an empty cell, a truth `true` or `false`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([_written(cell) for cell in cells] for cells in rows)
    return text.getvalue()


def _written(cell: object) -> object:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return written_cell(cell) if isinstance(cell, str) else cell


def written_cell(text: str) -> str:
    """A text as a cell that no spreadsheet calculates: with an apostrophe before it, where it needs one."""
    return f"'{text}" if _FORMULA.match(text) else text


def read_cell(text: str) -> str:
    """What stands in a cell, without the apostrophe of `written_cell`."""
    return text[1:] if text[:1] == "'" and _FORMULA.match(text, 1) else text
