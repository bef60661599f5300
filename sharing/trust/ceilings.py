"""`collections.json`: the publisher's logs, and the most restrictive TLP that each may hold.

    {"v":1,"logs":{"<b64u SHA-256(origin)>":{"ceiling":"amber"}}}

It is public, so it names no collection: who knows an origin finds it, and nobody else learns that it is there.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from sharing.tlog.statements import TLP_LEVELS
from sharing.trust.revocations import MalformedDocument, origin_digest, read_document


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Ceilings by digest of origin."""

    logs: Mapping[str, str]

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Raises MalformedDocument."""
        logs = read_document(raw, {"v", "logs"})["logs"]
        if not isinstance(logs, dict):
            raise MalformedDocument("logs is not an object")
        for digest, log in logs.items():
            if not isinstance(log, dict) or log.get("ceiling") not in TLP_LEVELS:
                raise MalformedDocument(f"logs.{digest}: ceiling must be one of {', '.join(TLP_LEVELS)}")
        return cls({digest: log["ceiling"] for digest, log in logs.items()})

    @classmethod
    def of(cls, ceilings: Mapping[str, str]) -> Self:
        """From ceilings by origin."""
        return cls({origin_digest(origin): ceiling for origin, ceiling in ceilings.items()})

    def __bytes__(self) -> bytes:
        logs = {digest: {"ceiling": ceiling} for digest, ceiling in sorted(self.logs.items())}
        return json.dumps({"v": 1, "logs": logs}, separators=(",", ":")).encode() + b"\n"

    def of_log(self, origin: str) -> str | None:
        """None if the publisher has no such log."""
        return self.logs.get(origin_digest(origin))
