"""What a Sigma rule finds things by, whatever it calls them (model.md, "Canonical patterns")."""

import json
from typing import Any

import yaml

_FINDS_BY = ("logsource", "detection", "correlation")
_MAX_BYTES = 16 * 1024
_MAX_DEPTH = 16


class _Loader(yaml.SafeLoader):
    """YAML of bounded depth, without aliases, of which a few bytes can make gigabytes, and without dates."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent) or self.depth == _MAX_DEPTH:
            raise yaml.YAMLError("aliases and great depth are not read")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def finding(rule: str) -> str:
    """`logsource`, `detection` and `correlation` of each document of a rule, as sorted JSON.

    A text that is no such rule is returned as it is: in doubt two rules stay apart.
    """
    if len(rule) > _MAX_BYTES:
        return rule
    try:
        documents = list(yaml.load_all(rule, Loader=_Loader))
        if not documents or not all(isinstance(one, dict) for one in documents):
            return rule
        kept = [{name: one[name] for name in _FINDS_BY if name in one} for one in documents]
        if not all(kept):
            return rule
        return json.dumps(kept, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    except (yaml.YAMLError, TypeError, ValueError, RecursionError):
        return rule
