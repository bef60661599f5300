"""Sigma rules: what they find things by, whatever they call them (model.md, "Canonical patterns").

A rule is read into trees of (tag, value), never into Python objects, so that nothing in it is constructed.
"""

import json
from collections.abc import Iterator
from typing import Any

import yaml

FINDS_BY = ("logsource", "detection", "correlation")
MAX_BYTES = 8 * 1024
# A rule with one of these does more than those three say.
_SAYS_MORE = frozenset(("filter", "action"))
# What correlations refer to rules by.
_NAME = "name"
_MAX_DEPTH = 16
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER = yaml.resolver.Resolver()
_STRING = "tag:yaml.org,2002:str"

Tree = tuple[str, Any]


class _Unread(ValueError):
    """A text that is no such rule."""


def finding(rule: str) -> str:
    """`logsource`, `detection` and `correlation` of each document of a rule, as sorted JSON.

    A text that is no such rule, or longer than 8 KiB, is returned as it is: in doubt two rules stay apart.
    """
    try:
        documents = _documents(rule)
    except _Unread:
        return rule
    return json.dumps(
        [{name: one[name] for name in FINDS_BY if name in one} for one in documents], sort_keys=True
    )


def without_prose(rule: str, title: str) -> str:
    """The rule with what it finds by under another title; who wrote it, and what about, stays with its source.

    A text that is no such rule is returned as it is.
    """
    try:
        documents = _documents(rule)
    except _Unread:
        return rule
    kept = (_NAME, *FINDS_BY) if len(documents) > 1 else FINDS_BY
    nodes = [
        _node(("map", {"title": (_STRING, title)} | {name: one[name] for name in kept if name in one}))
        for one in documents
    ]
    return str(
        yaml.serialize_all(nodes, Dumper=yaml.SafeDumper, explicit_start=len(nodes) > 1, allow_unicode=True)
    )


def _documents(rule: str) -> list[dict[str, Tree]]:
    if len(rule.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise _Unread
    try:
        events = iter(list(_bounded(yaml.parse(rule, Loader=_LOADER))))
        trees = [
            _tree(next(events), events) for event in events if isinstance(event, yaml.DocumentStartEvent)
        ]
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise _Unread from error
    documents = []
    for kind, value in trees:
        if (
            kind != "map"
            or not _SAYS_MORE.isdisjoint(value)
            or not ("detection" in value or "correlation" in value)
        ):
            raise _Unread
        documents.append(value)
    if not documents:
        raise _Unread
    return documents


def _bounded(events: Iterator[yaml.Event]) -> Iterator[yaml.Event]:
    """Neither deep nor with aliases, of which a few bytes can make gigabytes."""
    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH or isinstance(event, yaml.AliasEvent):
            raise _Unread
        yield event


def _tree(event: yaml.Event, events: Iterator[yaml.Event]) -> Tree:
    if isinstance(event, yaml.ScalarEvent):
        tag = event.tag or _RESOLVER.resolve(yaml.ScalarNode, event.value, event.implicit)  # type: ignore[no-untyped-call]
        return tag, event.value
    if getattr(event, "tag", None) is not None:
        raise _Unread
    if isinstance(event, yaml.SequenceStartEvent):
        return "list", [_tree(one, events) for one in _until(yaml.SequenceEndEvent, events)]
    found: dict[str, Tree] = {}
    for one in _until(yaml.MappingEndEvent, events):
        tag, key = _tree(one, events)
        if tag != _STRING or key in found:
            raise _Unread
        found[key] = _tree(next(events), events)
    return "map", found


def _until(end: type[yaml.Event], events: Iterator[yaml.Event]) -> Iterator[yaml.Event]:
    for event in events:
        if isinstance(event, end):
            return
        yield event


def _node(tree: Tree) -> yaml.Node:
    kind, value = tree
    if kind == "list":
        return yaml.SequenceNode("tag:yaml.org,2002:seq", [_node(one) for one in value])
    if kind == "map":
        pairs = [(yaml.ScalarNode(_STRING, key), _node(one)) for key, one in value.items()]
        return yaml.MappingNode("tag:yaml.org,2002:map", pairs)
    return yaml.ScalarNode(kind, value)
