"""Writes the test vectors: `python -m tests.vectors.generate`. Their format is in README.md."""

import json
from typing import Any

from tests.vectors import objects, signed, tree
from tests.vectors.world import HERE

FILES = {
    "object-signatures.json": objects.object_signatures,
    "statements.json": objects.statement_vectors,
    "pages.json": objects.pages,
    "bundles.json": objects.bundles,
    "roots.json": tree.roots,
    "inclusion.json": tree.inclusion,
    "consistency.json": tree.consistency,
    "tiles.json": tree.tile_vectors,
    "notes.json": signed.note_vectors,
    "checkpoints.json": signed.checkpoint_vectors,
    "cosignatures.json": signed.cosigned_messages,
    "policies.json": signed.policies,
    "tlog-proofs.json": signed.tlog_proofs,
    "ml-dsa-44.json": signed.ml_dsa_44,
}
"""The last one holds the ML-DSA-44 signatures that the others used."""


def written(content: dict[str, Any]) -> str:
    """A case a line, so that a change shows."""
    head = {name: value for name, value in content.items() if not _is_cases(value)}
    parts = [f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in head.items()]
    for name, value in content.items():
        if _is_cases(value):
            lines = ",\n  ".join(json.dumps(case, ensure_ascii=False) for case in value)
            parts.append(f"{json.dumps(name)}: [\n  {lines}\n ]")
    return "{\n " + ",\n ".join(parts) + "\n}\n"


def _is_cases(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def main() -> None:
    for name, make in FILES.items():
        (HERE / name).write_text(written(make()), encoding="utf-8")


if __name__ == "__main__":
    main()
