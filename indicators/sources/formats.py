"""The formats that a body can have: their names, media types, and how a body is taken apart.

What the parts become is said by `indicators.actions.adapters`, at ingest.
"""

from collections.abc import Callable
from dataclasses import dataclass

from indicators.sources import csv, misp, ocsf
from indicators.stix import json


@dataclass(frozen=True, slots=True)
class Format:
    """A format: `split` gives the parts of a body as its sender counts them, unread; `Refused` if it has none such.

    `noun` is what a part is called in places and sentences (`objects/3`).
    `is_closed`: half a body is never a whole one.
    """

    name: str
    title: str
    noun: str
    media_types: tuple[str, ...]
    split: Callable[..., list[bytes]]
    is_closed: bool = False


FORMATS = {
    each.name: each
    for each in (
        Format(
            "stix",
            "STIX 2.1 bundle or TAXII 2.1 envelope",
            "objects",
            ("application/json", "application/stix+json", "application/taxii+json"),
            json.split,
            is_closed=True,
        ),
        Format(
            "ndjson",
            "STIX 2.1 objects, one a line",
            "objects",
            ("application/x-ndjson", "application/ndjson", "application/jsonl"),
            json.split_lines,
        ),
        Format("misp", "MISP event, or a list of them", "events", (), misp.split, is_closed=True),
        Format(
            "ocsf",
            "OCSF Detection Findings: one, a list, or one a line",
            "findings",
            ("application/ocsf+json",),
            ocsf.split,
        ),
        Format("csv", "CSV with a header", "rows", ("text/csv",), csv.split),
    )
}

BY_MEDIA_TYPE = {media_type: each for each in FORMATS.values() for media_type in each.media_types}


def split(body: bytes, name: str, *, max_bytes: int = json.MAX_BODY_BYTES) -> list[bytes]:
    """The parts of a body in the format of that name; `json.Refused` if it is none."""
    return FORMATS[name].split(body, max_bytes=max_bytes)
