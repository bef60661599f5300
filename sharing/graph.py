"""What is connected with what: the neighbours of anything that is known, and the graph around it.

A node is a subject, or an id that nothing is claimed of (a technique of the service, or what a partner refers to and
never sent). An edge is a relationship, or a reference of one object to another. Everything is bounded: a node has no
more neighbours at once than `AT_ONCE`, the next follow by a cursor.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from accounts import sql
from indicators.stix.references import references
from sharing import desk, search
from sharing.search import kind_of

AT_ONCE = 50
MOST_NODES = 80
_FIRST_ROUND = 40
_LATER_ROUNDS = 6
"""A first graph shows so many neighbours of the node in its middle, and of each of those after it."""
MOST_COUNTED = 1000
_CLAIMS = 20
# What a first graph looks behind; techniques, identities and models are connected with everything.
_LOOKED_BEHIND = frozenset(
    (
        *("campaign", "intrusion-set", "threat-actor", "infrastructure", "indicator"),
        *("observed-data", "sighting", "llm-api-activity"),
    )
)
_ROUNDS = 4


class NoSuchNode(LookupError):
    """There is nothing that this could be the key of."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a node stands for: a subject, or with `subject_id` None an id in a community."""

    community_id: UUID
    subject_id: int | None
    object_id: str = ""

    @property
    def key(self) -> str:
        """What it is called in URLs and in the graph."""
        return f"x.{self.community_id}.{self.object_id}" if self.subject_id is None else f"s{self.subject_id}"


@dataclass(frozen=True, slots=True)
class Node:
    """A node as it is shown; `alleged`: it says who did it, and that nobody knows for sure."""

    key: str
    subject_id: int | None
    object_type: str
    title: str
    alleged: bool

    @property
    def kind(self) -> search.Kind:
        """Its group, which has a shape and a letter."""
        return kind_of(self.object_type)


@dataclass(frozen=True, slots=True)
class Edge:
    """A relationship or a reference, from the key of a node to that of another."""

    source: str
    target: str
    label: str
    alleged: bool

    @property
    def key(self) -> str:
        """Two edges of one label between the same two nodes are one."""
        return f"{self.source}>{self.label}>{self.target}"


@dataclass(slots=True)
class Graph:
    """Nodes and edges by their keys; `more` counts the neighbours left out (`more_is_least`: or more of them)."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[str, Edge] = field(default_factory=dict)
    more: int = 0
    more_is_least: bool = False
    cursor: str = ""

    def rows(self) -> list[tuple[Node, Edge, Node]]:
        """The same as a table: from, what, to; by what they are and called."""
        found = [(self.nodes[edge.source], edge, self.nodes[edge.target]) for edge in self.edges.values()]
        return sorted(
            found, key=lambda row: (row[0].kind.title, row[0].title, row[1].label, row[2].title, row[1].key)
        )

    def json(self) -> dict[str, Any]:
        """What the script draws."""
        return {
            "nodes": [
                {
                    "id": node.key,
                    "title": node.title,
                    "type": node.object_type,
                    "kind": node.kind.slug,
                    "alleged": node.alleged,
                    "subject": node.subject_id,
                }
                for node in self.nodes.values()
            ],
            "edges": [
                {
                    "id": edge.key,
                    "source": edge.source,
                    "target": edge.target,
                    "label": edge.label,
                    "alleged": edge.alleged,
                }
                for edge in self.edges.values()
            ],
            "more": self.more,
            "moreIsLeast": self.more_is_least,
            "cursor": self.cursor,
        }


def place_of(key: str) -> Place:
    """The place of a node's key, or of a subject's number; `NoSuchNode`."""
    number = key.removeprefix("s")
    if number.isascii() and number.isdigit() and len(number) < 19:
        found = sql.row("SELECT community_id, id FROM indicators_subject WHERE id = %s", (int(number),))
        if found is not None:
            return Place(*found)
    if key[:2] == "x.":
        community, _, object_id = key[2:].partition(".")
        try:
            community_id = UUID(community)
        except ValueError:
            raise NoSuchNode(key) from None
        if references({"object_ref": object_id}):
            return Place(community_id, None, object_id)
    raise NoSuchNode(key)


def around(place: Place) -> Graph:
    """The first graph of a thing: its neighbours, and what is behind them, up to `MOST_NODES`."""
    graph, _ = _neighbours([place], limit=_FIRST_ROUND)
    looked = {place.key}
    for _ in range(_ROUNDS - 1):
        behind = [
            Place(place.community_id, node.subject_id)
            for node in graph.nodes.values()
            if node.subject_id is not None and node.key not in looked and node.object_type in _LOOKED_BEHIND
        ]
        if not behind or len(graph.nodes) >= MOST_NODES:
            break
        looked |= {one.key for one in behind}
        more, _ = _neighbours(behind, limit=_LATER_ROUNDS)
        for edge in more.edges.values():
            ends = {edge.source, edge.target}
            if len(graph.nodes.keys() | ends) > MOST_NODES:
                continue
            graph.nodes |= {key: more.nodes[key] for key in ends if key not in graph.nodes}
            graph.edges.setdefault(edge.key, edge)
    return graph


def expand(place: Place, cursor: str = "") -> Graph:
    """A node and the next of its neighbours, with how many are left."""
    graph, left = _neighbours([place], limit=AT_ONCE, start=_Cursor.read(cursor), counting=True)
    graph.more, graph.more_is_least, graph.cursor = left
    return graph


@dataclass(frozen=True, slots=True)
class _Cursor:
    """How much of what a node refers to was shown, and the last subject shown of what refers to it."""

    shown: int = 0
    after: int = 0

    @classmethod
    def read(cls, text: str) -> "_Cursor":
        """The beginning, if it is none."""
        shown, _, after = text.partition(".")
        if not (
            shown.isascii() and shown.isdigit() and after.isascii() and after.isdigit() and len(text) < 30
        ):
            return cls()
        return cls(int(shown), min(int(after), 2**62))


@dataclass(frozen=True, slots=True)
class _Link:
    """An edge whose far end is known by id or by subject."""

    near: str
    far: str | int
    label: str
    outward: bool
    alleged: bool


def _neighbours(
    places: Sequence[Place], *, limit: int, start: _Cursor | None = None, counting: bool = False
) -> tuple[Graph, tuple[int, bool, str]]:
    """The neighbours of some places in one community, up to `limit` of each; `counting`: what is left of the first."""
    start = start or _Cursor()
    community_id = places[0].community_id
    by_subject = {place.subject_id: place for place in places if place.subject_id is not None}
    names: dict[str, dict[str, None]] = {place.key: {} for place in places}
    outgoing: dict[str, dict[tuple[str, str], None]] = {place.key: {} for place in places}
    for place in places:
        if place.object_id:
            names[place.key][place.object_id] = None
    for subject_id, object_id, body in sql.rows(_CLAIMS_OF, (list(by_subject), _CLAIMS)):
        key = by_subject[subject_id].key
        names[key][object_id] = None
        outgoing[key].update(dict.fromkeys(_pointers(json.loads(body))))
    for subject_id, name in sql.rows(_OTHER_NAMES, (list(by_subject), list(by_subject))):
        names[by_subject[subject_id].key][name] = None
    links: list[_Link] = []
    room = {}
    for key, pointers in outgoing.items():
        chosen = list(pointers)[start.shown : start.shown + limit]
        room[key] = limit - len(chosen)
        links += [_Link(key, target, label, True, False) for label, target in chosen]
    referring = _referring(community_id, names, start.after, limit)
    taken = {key: sorted(found)[: room[key]] for key, found in referring.items()}
    said = _said_by({one for found in taken.values() for one in found})
    for key, found in taken.items():
        for one in found:
            links += _links_of(key, one, said.get(one), names[key])
    graph = _drawn(community_id, places, links)
    first = places[0].key
    outgoing_left = max(0, len(outgoing[first]) - start.shown - limit)
    after = taken.get(first, [])[-1] if taken.get(first) else start.after
    incoming_left = _count(community_id, names[first], after) if counting else 0
    left = outgoing_left + incoming_left
    next_cursor = f"{start.shown + limit - room[first]}.{after}" if left else ""
    return graph, (left, incoming_left >= MOST_COUNTED, next_cursor)


# What still says it first.
_CLAIMS_OF = (
    "SELECT c.subject_id, c.object_id, c.body FROM unnest(%s::int8[]) AS wanted(s) CROSS JOIN LATERAL"
    " (SELECT subject_id, object_id, body FROM indicators_claim WHERE subject_id = s"
    "  ORDER BY withdrawn_at IS NOT NULL, revoked, first_received_at, id LIMIT %s) c"
)
_OTHER_NAMES = (
    "SELECT subject_id, published_id FROM sharing_release WHERE subject_id = ANY(%s)"
    " UNION SELECT id, convert_from(key, 'UTF8') FROM indicators_subject WHERE id = ANY(%s)"
    " AND octet_length(key) <> 32"
)


def _referring(
    community_id: UUID, names: Mapping[str, Mapping[str, None]], after: int, limit: int
) -> dict[str, set[int]]:
    """For each place the first subjects after `after` that refer to one of its names."""
    keys = [(key, name) for key, found in names.items() for name in found]
    found: dict[str, set[int]] = {key: set() for key in names}
    for key, subject_id in sql.rows(
        "SELECT own.key, near.subject_id FROM unnest(%s::text[], %s::text[]) AS own(key, name) CROSS JOIN LATERAL"
        " (SELECT r.subject_id FROM indicators_reference r JOIN indicators_subject s ON s.id = r.subject_id"
        "  AND s.community_id = %s WHERE r.target = own.name AND r.subject_id > %s"
        "  ORDER BY r.subject_id LIMIT %s) near",
        ([key for key, _ in keys], [name for _, name in keys], community_id, after, limit),
    ):
        found[key].add(subject_id)
    return found


def _count(community_id: UUID, names: Iterable[str], after: int) -> int:
    """How many more subjects refer to any of these names, up to `MOST_COUNTED`."""
    found = sql.row(
        "SELECT least(count(DISTINCT near.subject_id), %s) FROM unnest(%s::text[]) AS own(name) CROSS JOIN LATERAL"
        " (SELECT r.subject_id FROM indicators_reference r JOIN indicators_subject s ON s.id = r.subject_id"
        "  AND s.community_id = %s WHERE r.target = own.name AND r.subject_id > %s"
        "  ORDER BY r.subject_id LIMIT %s) near",
        (MOST_COUNTED, list(names), community_id, after, MOST_COUNTED),
    )
    return found[0] if found else 0


def _said_by(subject_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """What is said of subjects by whoever said it first and still does."""
    return {
        subject_id: json.loads(body) | {"_subject": counts_for}
        for subject_id, counts_for, body in sql.rows(
            "SELECT s.id, coalesce(s.merged_into_id, s.id), c.body FROM indicators_subject s CROSS JOIN LATERAL"
            " (SELECT body FROM indicators_claim WHERE (subject_id = s.id OR home_id = s.id)"
            "  AND withdrawn_at IS NULL AND NOT revoked ORDER BY first_received_at, id LIMIT 1) c"
            " WHERE s.id = ANY(%s)",
            (list(subject_ids),),
        )
    }


def _links_of(
    key: str, subject_id: int, value: dict[str, Any] | None, names: Mapping[str, None]
) -> Iterator[_Link]:
    """The edges that something which refers to a place makes; none if it is withdrawn or says so no more."""
    if value is None:
        return
    if value["type"] == "relationship":
        source, target = value["source_ref"], value["target_ref"]
        alleged = _is_alleged(value)
        if source in names:
            yield _Link(key, target, value["relationship_type"], True, alleged)
        if target in names:
            yield _Link(key, source, value["relationship_type"], False, alleged)
        return
    for label, target in dict.fromkeys(_pointers(value)):
        if target in names:
            yield _Link(key, value["_subject"], label, False, False)


def _pointers(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What an object refers to, by the property that does, without author and markings."""
    if "relationship_type" in value:
        yield "from", value["source_ref"]
        yield "to", value["target_ref"]
        return
    for name, found in value.items():
        if name in {"created_by_ref", "object_marking_refs", "granular_markings"}:
            continue
        if isinstance(found, Mapping):
            yield from _pointers(found)
        elif name.endswith(("_ref", "_refs")):
            yield from ((_label(name), target) for target in references({name: found}))


_LABELS = {
    "object": "contains",
    "sighting of": "sighting of",
    "observed data": "saw",
    "where sighted": "seen by",
}


def _label(name: str) -> str:
    said = name.removesuffix("_refs").removesuffix("_ref").replace("_", " ")
    return _LABELS.get(said, said)


def _is_alleged(value: Mapping[str, Any]) -> bool:
    """Whether it says who did it: that is never a fact here, whatever its sender calls it."""
    return (
        "alleged" in value.get("labels", ())
        or value["type"] == "threat-actor"
        or value.get("relationship_type") == "attributed-to"
    )


def resolve(community_id: UUID, object_ids: Iterable[str]) -> dict[str, int]:
    """The subjects that ids mean in a community: those of claims, else those published, else those of identities."""
    found: dict[str, int] = {}
    wanted = sql.joined(dict.fromkeys(object_ids))
    if not wanted:
        return found
    for object_id, subject_id in sql.rows(
        "SELECT name, subject_id FROM (SELECT object_id, subject_id, 1, id FROM indicators_claim"
        f" WHERE community_id = %s AND object_id = {sql.ONE_OF}"
        " UNION ALL SELECT r.published_id, r.subject_id, 2, r.id FROM sharing_release r"
        " JOIN indicators_subject s ON s.id = r.subject_id AND s.community_id = %s"
        f" WHERE r.published_id = {sql.ONE_OF}"
        " UNION ALL SELECT convert_from(key, 'UTF8'), coalesce(merged_into_id, id), 3, id FROM indicators_subject"
        f" WHERE community_id = %s AND key IN (SELECT convert_to(k, 'UTF8') FROM unnest({sql.LIST}) AS keys(k))"
        ") AS meant(name, subject_id, rank, nth) ORDER BY rank, nth",
        (community_id, wanted, community_id, wanted, community_id, wanted),
    ):
        found.setdefault(object_id, subject_id)
    return found


def faces(community_id: UUID, places: Iterable[Place]) -> dict[str, Node]:
    """The nodes of places, by key: by what their oldest claim calls them."""
    known = {place.subject_id: place for place in places if place.subject_id is not None}
    found: dict[str, Node] = {}
    for subject_id, object_type, body in sql.rows(
        "SELECT s.id, s.object_type, (SELECT body FROM indicators_claim WHERE subject_id = s.id OR home_id = s.id"
        " ORDER BY erased_at IS NOT NULL, subject_id = s.id DESC, first_received_at, id LIMIT 1)"
        " FROM indicators_subject s WHERE s.id = ANY(%s)",
        (list(known),),
    ):
        key = known[subject_id].key
        value = {"type": object_type} if body is None else json.loads(body)
        title = desk.title_of(body) if body else f"subject {subject_id}, of which nothing is claimed"
        found[key] = Node(key, subject_id, object_type, title, _is_alleged(value))
    unknown = {place.object_id: place for place in places if place.subject_id is None}
    techniques: dict[str, str] = dict(
        sql.rows(
            "SELECT object_id, coalesce(atlas_id || ' ', '') || name FROM indicators_technique"
            f" WHERE object_id = {sql.ONE_OF}",
            (sql.joined(unknown),),
        )
        if unknown
        else ()
    )
    for object_id, place in unknown.items():
        object_type = object_id.partition("--")[0]
        title = techniques.get(object_id, f"{object_id} (referred to, not known)")
        found[place.key] = Node(place.key, None, object_type, title, False)
    return found


def _drawn(community_id: UUID, places: Sequence[Place], links: Sequence[_Link]) -> Graph:
    meant = resolve(community_id, [link.far for link in links if isinstance(link.far, str)])
    ends: dict[str, Place] = {place.key: place for place in places}
    edges: dict[str, Edge] = {}
    for link in links:
        subject_id = link.far if isinstance(link.far, int) else meant.get(link.far)
        far = (
            Place(community_id, None, str(link.far))
            if subject_id is None
            else Place(community_id, subject_id)
        )
        if far.key == link.near:
            continue
        ends.setdefault(far.key, far)
        source, target = (link.near, far.key) if link.outward else (far.key, link.near)
        edge = Edge(source, target, link.label, link.alleged)
        edges.setdefault(edge.key, edge)
    nodes = faces(community_id, list(ends.values()))
    drawn = {key: edge for key, edge in edges.items() if edge.source in nodes and edge.target in nodes}
    return Graph(nodes, drawn)
