from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks import world as worlds
from tests.attacks.world import World


@pytest.fixture(params=["http", "files"])
def world(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """An honest feed, trusted, and a partner who has read nothing yet; once over HTTP and once from files."""
    for name in ("STILLWATCH_TOKEN", "STILLWATCH_TOKEN_FILE", "STILLWATCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    publisher = worlds.publisher(tmp_path / "mirror")
    publisher.write(checkpoint=publisher.checkpoint(cosigned_by=worlds.WITNESSES[:2]))
    with worlds.way_to(publisher, request.param, tmp_path) as way:
        made = World(publisher, tmp_path, capsys, way)
        assert made.init().code == 0
        yield made
