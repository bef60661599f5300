from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks import scene as scenes
from tests.attacks.scene import Scene


@pytest.fixture(params=["http", "files"])
def scene(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Scene]:
    """An honest feed, trusted, and a partner who has read nothing yet; once over HTTP and once from files."""
    for name in ("STILLWATCH_TOKEN", "STILLWATCH_TOKEN_FILE", "STILLWATCH_VERIFIER_HOME"):
        monkeypatch.delenv(name, raising=False)
    publisher = scenes.publisher(tmp_path / "mirror")
    publisher.write(checkpoint=publisher.signed(cosigned_by=scenes.WITNESSES[:2]))
    with scenes.way_to(publisher, request.param, tmp_path) as way:
        made = Scene(publisher, tmp_path, capsys, way)
        assert made.init().code == 0
        yield made
