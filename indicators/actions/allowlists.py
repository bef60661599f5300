"""Allow-lists: loaded, added to, removed from; each change queues the subjects that it covers or no longer covers.

Lists hold for all communities. Whoever decides what leaves calls `hold` first: a list changes either before, and is
seen, or afterwards, and what left in between is found and queued.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts import sql
from accounts.actions.audit import record
from accounts.actions.refusal import stated
from accounts.actor import Actor
from indicators.allowlists.entries import Entry
from indicators.allowlists.warninglist import Warninglist
from indicators.allowlists.watched import Value, shown, watched
from indicators.models import ListSource

DESK = "Added at the desk"
"""The list that the desk's own entries are on."""

_LOCK = "allowlists"


class NameTaken(ValueError):
    """A list of this name comes from elsewhere."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A value that a subject watches, and a list that covers it."""

    value: Value
    list_name: str

    def __str__(self) -> str:
        return shown(self.value)


@dataclass(frozen=True, slots=True)
class Change:
    """What a change added and removed, and the subjects that are looked at again for it.

    `replaced` is the version that stood before, None if there was none.
    """

    added: Sequence[Entry] = ()
    removed: Sequence[Entry] = ()
    covered: Sequence[int] = ()
    uncovered: Sequence[int] = ()
    replaced: int | None = None


def hold() -> None:
    """Let no list change for the rest of this transaction."""
    sql.share(_LOCK)


def hits(subject_ids: Iterable[int]) -> dict[int, list[Hit]]:
    """What of these subjects is covered, and by which lists, built-in ones first; those that are not do not appear."""
    found: dict[int, list[Hit]] = {}
    for subject_id, _, name, network, domain, asn in sql.rows(_HITS, {"subjects": list(subject_ids)}):
        value = network if network is not None else domain if domain is not None else asn
        found.setdefault(subject_id, []).append(Hit(value, name))
    return found


def covering(said: Iterable[Value]) -> list[Hit]:
    """Which of these values are covered, though nothing was submitted about them yet, and by which lists."""
    values = list(said)
    found = sql.rows(
        _HITS_OF.format(
            asked="SELECT 0::int8 AS subject_id, * FROM unnest(%(networks)s::cidr[], %(domains)s::text[],"
            " %(asns)s::int8[]) AS said(network, domain, asn)"
        ),
        {
            "networks": [None if isinstance(value, str | int) else str(value) for value in values],
            "domains": [value if isinstance(value, str) else None for value in values],
            "asns": [value if isinstance(value, int) else None for value in values],
        },
    )
    return [
        Hit(network if network is not None else domain if domain is not None else asn, name)
        for _, _, name, network, domain, asn in found
    ]


def said(obj: Mapping[str, Any], found: Sequence[Hit]) -> Hit | None:
    """The first of a subject's hits that this object about it says itself; another object may say another value."""
    if not found:
        return None
    values = watched(obj)
    return next((hit for hit in found if hit.value in values), None)


# A domain is looked for under itself and each name above it; OFFSET 0 keeps that a look-up in the index for each.
_HITS_OF = """
WITH asked AS MATERIALIZED (
    {asked}
), hit AS (
    SELECT DISTINCT a.subject_id, e.allowlist_id, a.network, NULL::text AS domain, NULL::int8 AS asn
    FROM asked a JOIN indicators_allowlistentry e ON e.network && a.network
  UNION ALL
    SELECT DISTINCT a.subject_id, e.allowlist_id, NULL::cidr, a.domain, NULL::int8
    FROM asked a CROSS JOIN string_to_array(a.domain, '.') AS labels
    CROSS JOIN unnest(labels) WITH ORDINALITY AS label(text, cut)
    CROSS JOIN LATERAL (
        SELECT allowlist_id FROM indicators_allowlistentry
        WHERE domain = array_to_string(labels[cut:], '.') AND (subdomains OR cut = 1) OFFSET 0
    ) AS e
  UNION ALL
    SELECT DISTINCT a.subject_id, e.allowlist_id, NULL::cidr, NULL::text, a.asn
    FROM asked a JOIN indicators_allowlistentry e
    ON int8range(e.asn_first, e.asn_last, '[]') @> a.asn AND e.asn_first IS NOT NULL
)
SELECT hit.subject_id, hit.allowlist_id, l.name, hit.network, hit.domain, hit.asn
FROM hit JOIN indicators_allowlist l ON l.id = hit.allowlist_id
ORDER BY hit.subject_id, hit.allowlist_id, hit.network, hit.domain, hit.asn
"""
_HITS = _HITS_OF.format(
    asked="SELECT subject_id, network, domain, asn FROM indicators_observable WHERE subject_id = ANY(%(subjects)s)"
)


@transaction.atomic
def load(*, warninglist: Warninglist, by: Actor, now: datetime) -> Change:
    """Make a list hold exactly the entries of a file; raises `NameTaken` if it is not one that came from a file."""
    list_id, before = _list(warninglist.name, ListSource.FILE, now)
    held = _held(list_id)
    wanted = dict.fromkeys(warninglist.entries)
    change = _change(
        list_id,
        added={one: "" for one in wanted if one not in held},
        removed={entry_id: one for one, entry_id in held.items() if one not in wanted},
        replaced=before,
    )
    sql.execute(
        "UPDATE indicators_allowlist SET version = %s, description = %s, updated_at = %s WHERE id = %s",
        (warninglist.version, warninglist.description, now, list_id),
    )
    record(
        by=by,
        now=now,
        action="allowlist.load",
        target=f"allowlist:{list_id}",
        detail={
            "name": warninglist.name,
            "version": warninglist.version,
            "added": len(change.added),
            "removed": len(change.removed),
        },
    )
    return change


@transaction.atomic
def add(*, entry: Entry, reason: str, by: Actor, now: datetime) -> Change:
    """Put one entry on the desk's list, with the reason; what is there already changes nothing."""
    reason = stated(reason)
    list_id, _ = _list(DESK, ListSource.DESK, now)
    if entry in _held(list_id):
        return Change()
    change = _change(list_id, added={entry: reason})
    _touch(list_id, now)
    _record_entries("allowlist.add", {list_id: [entry]}, reason, by, now)
    return change


@transaction.atomic
def remove(*, entry_ids: Sequence[int], reason: str, by: Actor, now: datetime) -> Change:
    """Take entries off their lists, with a reason: what no other entry covers is decided anew."""
    reason = stated(reason)
    sql.lock(_LOCK)
    by_list: dict[int, dict[int, Entry]] = {}
    for list_id, entry_id, *columns in sql.rows(
        f"SELECT allowlist_id, id, {_COLUMNS} FROM indicators_allowlistentry WHERE id = ANY(%s) ORDER BY id",
        (list(entry_ids),),
    ):
        by_list.setdefault(list_id, {})[entry_id] = Entry(*columns)
    changes = [_change(list_id, removed=entries) for list_id, entries in by_list.items()]
    for list_id in by_list:
        _touch(list_id, now)
    _record_entries(
        "allowlist.remove",
        {list_id: list(entries.values()) for list_id, entries in by_list.items()},
        reason,
        by,
        now,
    )
    return Change(
        removed=[one for change in changes for one in change.removed],
        uncovered=sorted({subject_id for change in changes for subject_id in change.uncovered}),
    )


def count_covered(entries: Sequence[Entry]) -> int:
    """How many known subjects these entries cover, or would."""
    found = sql.row(f"SELECT count(*) FROM ({_COVERED}) AS covered", _covering(entries))
    return found[0] if found else 0


def _change(
    list_id: int,
    *,
    added: dict[Entry, str] | None = None,
    removed: dict[int, Entry] | None = None,
    replaced: int | None = None,
) -> Change:
    """Write the entries and queue the subjects that they cover. `added`: entry → note; `removed`: by row id."""
    added, removed = added or {}, removed or {}
    sql.execute("DELETE FROM indicators_allowlistentry WHERE id = ANY(%s)", (list(removed),))
    sql.copy(
        "indicators_allowlistentry",
        ("allowlist_id", "network", "domain", "subdomains", "asn_first", "asn_last", "note"),
        ("int8", "cidr", "text", "bool", "int8", "int8", "text"),
        (
            (list_id, one.network, one.domain, one.subdomains, one.asn_first, one.asn_last, note)
            for one, note in added.items()
        ),
    )
    return Change(tuple(added), tuple(removed.values()), _queue(added), _queue(removed.values()), replaced)


# The subjects that watch something inside or around a network, a domain or something below it, or an AS number.
_COVERED = """
    SELECT o.subject_id FROM unnest(%(networks)s::cidr[]) AS covering(network)
    JOIN indicators_observable o ON o.network && covering.network
  UNION
    SELECT o.subject_id FROM unnest(%(parents)s::text[]) AS covering(domain)
    JOIN indicators_observable o ON o.domain IS NOT NULL
    AND (reverse('.' || o.domain) COLLATE "C") >= reverse('.' || covering.domain)
    AND (reverse('.' || o.domain) COLLATE "C") < reverse('/' || covering.domain)
  UNION
    SELECT o.subject_id FROM unnest(%(names)s::text[]) AS covering(domain)
    JOIN indicators_observable o ON o.domain IS NOT NULL
    AND (reverse('.' || o.domain) COLLATE "C") = reverse('.' || covering.domain)
  UNION
    SELECT o.subject_id FROM unnest(%(firsts)s::int8[], %(lasts)s::int8[]) AS covering(first, last)
    JOIN indicators_observable o ON o.asn BETWEEN covering.first AND covering.last
"""


def _covering(entries: Iterable[Entry]) -> dict[str, Any]:
    """Entries as the parameters of `_COVERED`."""
    listed = list(entries)
    ranges = [(one.asn_first, one.asn_last) for one in listed if one.asn_first is not None]
    return {
        "networks": [str(one.network) for one in listed if one.network is not None],
        "parents": [one.domain for one in listed if one.domain is not None and one.subdomains],
        "names": [one.domain for one in listed if one.domain is not None and not one.subdomains],
        "firsts": [first for first, _ in ranges],
        "lasts": [last for _, last in ranges],
    }


def _queue(entries: Iterable[Entry]) -> Sequence[int]:
    """Have what these entries cover looked at again, in every community; the ids of the subjects."""
    parameters = _covering(entries)
    if not any(parameters.values()):
        return ()
    return sorted(
        subject_id
        for (subject_id,) in sql.rows(
            "INSERT INTO indicators_pendingfold (community_id, subject_id)"
            f" SELECT s.community_id, s.id FROM ({_COVERED}) AS covered"
            " JOIN indicators_subject s ON s.id = covered.subject_id ORDER BY s.id RETURNING subject_id",
            parameters,
        )
    )


_COLUMNS = "network, domain, subdomains, asn_first, asn_last"


def _held(list_id: int) -> dict[Entry, int]:
    return {
        Entry(*columns): entry_id
        for entry_id, *columns in sql.rows(
            f"SELECT id, {_COLUMNS} FROM indicators_allowlistentry WHERE allowlist_id = %s", (list_id,)
        )
    }


def _list(name: str, source: ListSource, now: datetime) -> tuple[int, int | None]:
    """The id of a list, made where new, and its version if it is not; the lists are locked from here on."""
    sql.lock(_LOCK)
    found = sql.row("SELECT id, source, version FROM indicators_allowlist WHERE name = %s", (name,))
    if found is not None:
        if found[1] != source:
            raise NameTaken(f"name: there is a list {name!r} already that comes from elsewhere: {found[1]}")
        return found[0], found[2]
    made = sql.row(
        "INSERT INTO indicators_allowlist (name, description, version, source, updated_at)"
        " VALUES (%s, '', 1, %s, %s) RETURNING id",
        (name, source.value, now),
    )
    assert made is not None
    return made[0], None


def _touch(list_id: int, now: datetime) -> None:
    sql.execute("UPDATE indicators_allowlist SET updated_at = %s WHERE id = %s", (now, list_id))


def _record_entries(
    action: str, by_list: dict[int, list[Entry]], reason: str, by: Actor, now: datetime
) -> None:
    for list_id, entries in by_list.items():
        record(
            by=by,
            now=now,
            action=action,
            target=f"allowlist:{list_id}",
            detail={"entries": [str(one) for one in entries], "reason": reason},
        )
