"""What changed between two versions of an object, for people: field by field, lists as what was added and removed."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from indicators.drafting.forms import FORMS
from indicators.stix.markings import LEVELS

_OF_EVERY_VERSION = frozenset(
    ("created", "created_by_ref", "id", "modified", "pattern_type", "spec_version", "type")
)


@dataclass(frozen=True, slots=True)
class Change:
    """One property that changed. `before` and `after` are empty where nothing stood; a list says what came and went."""

    label: str
    before: str = ""
    after: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def is_list(self) -> bool:
        """Whether it is told by what was added and removed."""
        return bool(self.added or self.removed)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """What differs, in the order of the type's form; what the form has no field for comes last, by its name."""
    object_type = str(after.get("type", before.get("type", "")))
    old, new = dict(_flat(before)), dict(_flat(after))
    form = FORMS.get(object_type)
    labels = {} if form is None else {field.path: field.label for field in form.fields if field.kind != "tlp"}
    labels |= {("object_marking_refs",): "TLP and other markings", ("revoked",): "Revoked"}
    order = {path: number for number, path in enumerate(labels)}
    paths = sorted(old.keys() | new.keys(), key=lambda path: (order.get(path, len(order)), path))
    return [
        _change(labels.get(path, ".".join(path)), old.get(path), new.get(path))
        for path in paths
        if old.get(path) != new.get(path)
    ]


def _flat(obj: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The properties of an object, those of extensions one by one."""
    for name, value in obj.items():
        if name == "extensions" and isinstance(value, Mapping):
            for extension, content in value.items():
                if isinstance(content, Mapping):
                    for key, one in content.items():
                        yield (name, extension, key), one
        elif name not in _OF_EVERY_VERSION:
            yield (name,), value


def _change(label: str, before: Any, after: Any) -> Change:
    if isinstance(before, list | None) and isinstance(after, list | None):
        old, new = (list(map(in_words, one or ())) for one in (before, after))
        added = tuple(one for one in new if one not in old)
        removed = tuple(one for one in old if one not in new)
        if added or removed:
            return Change(label, added=added, removed=removed)
        return Change(label, before=", ".join(old), after=", ".join(new))
    return Change(label, before=in_words(before), after=in_words(after))


def in_words(value: Any) -> str:
    """A JSON value as people read it: texts plain, markings by their TLP, None as nothing; what is nested as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        level = LEVELS.get(value)
        return value if level is None else f"TLP:{level.label.upper()}"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(map(in_words, value))
    if isinstance(value, Mapping) and all(isinstance(one, str) for one in value.values()):
        return ", ".join(f"{key}: {one}" for key, one in value.items())
    return json.dumps(value, ensure_ascii=False)
