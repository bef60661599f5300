"""Which logs a witness knows by a publisher's trust root, and for how long."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sharing.trust.store import TrustStore
from sharing.witness import logs
from sharing.witness.logs import TrustedLogs
from tests.sharing.verifier.log_simulator import ORIGIN, an_indicator
from tests.sharing.verifier.publisher import Publisher, Reader


def test_a_trust_root_that_expired_lets_no_log_be_cosigned_until_there_is_a_newer_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = Publisher(tmp_path / "mirror")
    publisher.publish(an_indicator(1))
    publisher.write()
    reader = Reader(publisher, tmp_path / "reader")
    assert reader.init() == 0
    said: list[str] = []
    known = TrustedLogs(TrustStore(reader.home), tell=said.append)
    known.refresh()
    assert len(known.keys(ORIGIN)) == 2

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(days=400)

    # Something else than metadata is served: what is stored counts on.
    timestamp = publisher.folder / "trust/tuf/metadata/timestamp.json"
    honest = timestamp.read_bytes()
    timestamp.write_bytes(b"{}")
    known.freshen()
    assert len(known.keys(ORIGIN)) == 2
    assert "stay as they were" in said[-1]
    with monkeypatch.context() as patch:
        patch.setattr(logs, "datetime", Later)
        known.freshen()
    assert known.keys(ORIGIN) == ()
    assert "no log is cosigned" in said[-1]

    timestamp.write_bytes(honest)
    known.freshen()
    assert len(known.keys(ORIGIN)) == 2
