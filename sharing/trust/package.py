"""What a ceremony hands to the service: one JSON file of all that was ever signed offline, in full.

    {"v":1,"metadata":{"1.root.json":"<text>",…,"3.targets.json":"<text>"},"targets":{"jwks.json":"<text>",…}}

`metadata` holds every root and the last targets; `targets` the files that these targets name.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from sharing.trust.revocations import MalformedDocument, read_document

_NAME = re.compile(r"([1-9][0-9]{0,17})\.(root|targets)\.json", re.ASCII)
FILE = "accept.json"
"""How it is called in the ceremony's folder."""
MAX_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Package:
    """Roots by version, the targets metadata, and the files that it names."""

    roots: Mapping[int, bytes]
    targets: bytes
    files: Mapping[str, bytes]

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Raises MalformedDocument."""
        value = read_document(raw, {"v", "metadata", "targets"})
        metadata, files = _texts(value["metadata"], "metadata"), _texts(value["targets"], "targets")
        roots: dict[int, bytes] = {}
        targets: list[bytes] = []
        for name, text in metadata.items():
            match = _NAME.fullmatch(name)
            if match is None:
                raise MalformedDocument(f"metadata: {name!r} is neither a root nor targets")
            if match[2] == "root":
                roots[int(match[1])] = text
            else:
                targets.append(text)
        if not roots or len(targets) != 1:
            raise MalformedDocument("metadata must have every root and one targets")
        return cls(roots, targets[0], files)

    def to_bytes(self, targets_version: int) -> bytes:
        """As `read` takes it."""
        metadata = {f"{version}.root.json": raw.decode() for version, raw in sorted(self.roots.items())}
        metadata[f"{targets_version}.targets.json"] = self.targets.decode()
        files = {name: raw.decode() for name, raw in self.files.items()}
        return json.dumps({"v": 1, "metadata": metadata, "targets": files}, indent=1).encode() + b"\n"


def _texts(value: object, name: str) -> dict[str, bytes]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise MalformedDocument(f"{name} is not texts by name")
    return {key: text.encode() for key, text in value.items()}
