"""An honest publisher, a partner, and the ways between them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sharing.verifier import cli
from tests.attacks.proxy import NOT_FOUND, Answer, Tamper, TamperingProxy, served
from tests.sharing.verifier.log_simulator import GREEN, an_address, an_indicator
from tests.sharing.verifier.publisher import COLLECTION, Publisher

WITNESSES = ("one.example/witness", "two.example/witness", "three.example/witness")
POLICY = f"group partners 2 {' '.join(WITNESSES)}\nquorum partners\n".encode()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TAXII = "application/taxii+json;version=2.1"


def publisher(folder: Path) -> Publisher:
    """Fourteen entries on four pages: objects, one withdrawn, one without versions. Nothing is written yet."""
    made = Publisher(folder, witnesses=WITNESSES, policy=POLICY)
    # Room for what an attacker puts between two entries.
    made.stride = 1000
    for number in range(10):
        made.publish(an_indicator(number), tlp="green" if number % 2 else "amber")
    made.withdraw(4, reason="legal")
    made.publish(an_address(11), tlp="green")
    made.publish(an_indicator(0, modified="2026-02-01T00:00:00.000Z", confidence=20))
    made.publish(an_indicator(13, object_marking_refs=[GREEN]))
    return made


class Service:
    """What the live service answers: TAXII pages by cursor or by time, and everything else as the mirror's files."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher

    def serve(self, target: str, headers: Mapping[str, str]) -> Answer:
        parts = urlsplit(f"/{target}")
        path, query = parts.path.strip("/"), parse_qs(parts.query)
        if path == "taxii2":
            return Answer(200, _TAXII, b'{"title":"x","api_roots":["/taxii2/partners/"]}')
        if path == f"taxii2/partners/collections/{COLLECTION}":
            return Answer(200, _TAXII, json.dumps({"id": COLLECTION, "can_read": True}).encode())
        if path == f"taxii2/partners/collections/{COLLECTION}/objects":
            return Answer(200, _TAXII, self._page(query))
        file = self.publisher.folder / path
        return Answer(200, "application/octet-stream", file.read_bytes()) if file.is_file() else NOT_FOUND

    def _page(self, query: Mapping[str, list[str]]) -> bytes:
        of = self.publisher
        start = 0
        if "next" in query:
            start = int(query["next"][0])
        elif "added_after" in query:
            after = datetime.fromisoformat(query["added_after"][0])
            added = (after - _EPOCH) // timedelta(microseconds=1)
            start = sum(entry.added <= added for entry in of.entries)
        end = min(start + of.page_size, len(of.entries))
        page = of.page(start, end)
        more = f'"more":true,"next":"{end}"' if end < len(of.entries) else '"more":false'
        return page.replace(b'"more":false', more.encode(), 1)


@dataclass
class Outcome:
    """How the command ended."""

    code: int
    report: dict[str, Any]
    stderr: str

    @property
    def evidence(self) -> list[str]:
        """The names of the files that were kept."""
        return (
            sorted(one.name for one in Path(self.report["evidence"]).iterdir())
            if "evidence" in self.report
            else []
        )


def stillwatch(capsys: pytest.CaptureFixture[str], *arguments: str) -> Outcome:
    """The command, in this process."""
    capsys.readouterr()
    code = cli.main([*arguments, "--json"])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return Outcome(code, json.loads(captured.out), captured.err)


@dataclass
class Scene:
    """A partner with a home and a copy of the feed, who reaches the publisher through `way`."""

    publisher: Publisher
    folder: Path
    capsys: pytest.CaptureFixture[str]
    way: "Way"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def stillwatch(self, *arguments: str) -> Outcome:
        return stillwatch(self.capsys, *arguments)

    def init(self) -> Outcome:
        """Trust the publisher, by its root.json."""
        root = self.folder / "root.json"
        root.write_bytes(self.publisher.trust.root_json)
        return self.stillwatch(
            "verify", "init", "--root", str(root), "--at", self.way.location(), "--home", str(self.home)
        )

    def sync(self, *, out: Path | None = None, home: Path | None = None) -> Outcome:
        return self.stillwatch(
            *["verify", "sync", COLLECTION, "--out", str(out or self.out)],
            *["--home", str(home or self.home), *self.way.source()],
        )

    def proved(self) -> list[dict[str, Any]]:
        """The objects that the partner's copy shows."""
        self.capsys.readouterr()
        assert cli.main(["verify", "export", str(self.out), "--history"]) == 0
        return [json.loads(line) for line in self.capsys.readouterr().out.splitlines()]

    def published(self) -> list[dict[str, Any]]:
        """The objects that stand in the log."""
        return [json.loads(one.body) for one in self.publisher.entries if one.body is not None]

    def file(self, name: str, raw: bytes) -> str:
        path = self.folder / name
        path.write_bytes(raw)
        return str(path)


class Way:
    """Between publisher and partner. `tamper` is what the attacker does there; None: nothing."""

    tamper: Tamper | None

    def location(self) -> str:
        """What `--at` is."""
        raise NotImplementedError

    def source(self) -> list[str]:
        """What `sync` is told of it."""
        raise NotImplementedError


class Files(Way):
    """A mirror's folder, copied and changed each time before it is read."""

    def __init__(self, honest: Path, hostile: Path) -> None:
        self._honest, self._hostile = honest, hostile
        self.tamper = None

    def location(self) -> str:
        for file in self._hostile.rglob("*"):
            if file.is_file():
                file.unlink()
        for file in self._honest.rglob("*"):
            if not file.is_file():
                continue
            path = file.relative_to(self._honest)
            raw: bytes | None = file.read_bytes()
            assert raw is not None
            if self.tamper is not None:
                raw = self.tamper(str(path), raw)
            if raw is not None:
                (self._hostile / path).parent.mkdir(parents=True, exist_ok=True)
                (self._hostile / path).write_bytes(raw)
        return str(self._hostile)

    def source(self) -> list[str]:
        return ["--from", self.location()]


class Http(Way):
    """A proxy before the live service."""

    def __init__(self, proxy: TamperingProxy, address: str) -> None:
        self.proxy, self._address = proxy, address

    @property
    def tamper(self) -> Tamper | None:
        return self.proxy.tamper

    @tamper.setter
    def tamper(self, tamper: Tamper | None) -> None:
        self.proxy.tamper = tamper

    def location(self) -> str:
        return self._address

    def source(self) -> list[str]:
        return []


@contextmanager
def way_to(publisher: Publisher, kind: str, folder: Path) -> Iterator[Way]:
    """`kind`: "http" or "files"."""
    if kind == "files":
        yield Files(publisher.folder, folder / "hostile")
        return
    with served(Service(publisher).serve) as upstream:
        proxy = TamperingProxy(upstream)
        with served(proxy.serve) as address:
            yield Http(proxy, address)
