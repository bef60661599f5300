"""A partner's trust: one root.json given once, and what follows from it, from a folder and over HTTP."""

import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from sharing.signing import keys
from sharing.trust import roles
from sharing.trust.store import TrustStore
from sharing.verifier.failures import TrustRootFailed
from tests.trust_repository import TrustRepository

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ORIGIN = "feeds.example/log/11111111-1111-4111-8111-111111111111"
OTHER = "feeds.example/log/22222222-2222-4222-8222-222222222222"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def repository(tmp_path: Path) -> TrustRepository:
    return TrustRepository(
        tmp_path / "mirror",
        now=NOW,
        object_keys=[keys.generate()],
        log_signers=[keys.generate(), keys.generate_ml_dsa_44()],
        ceilings={ORIGIN: "amber"},
    )


@pytest.fixture
def store(repository: TrustRepository, tmp_path: Path) -> TrustStore:
    return TrustStore.init(tmp_path / "home", repository.root_json, str(repository.folder))


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    servers: list[http.server.ThreadingHTTPServer] = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    def serving(folder: Path) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serving
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_root_given_once_leads_to_keys_policy_and_ceilings(
    repository: TrustRepository, store: TrustStore
) -> None:
    found = store.refresh(NOW)
    assert found.root_version == 1
    assert not found.offline
    assert store.keys.kids == {repository.object_keys[0].kid}
    assert [key.public for key in store.log_keys(ORIGIN)] == [
        signer.public_bytes() for signer in repository.log_signers
    ]
    assert {key.name for key in store.log_keys(OTHER)} == {OTHER}
    assert store.ceiling(ORIGIN) == "amber"
    assert store.revoked(repository.object_keys[0].kid, ORIGIN) is None
    assert store.policy.met_by(frozenset())


def test_what_is_published_later_is_seen_by_a_refresh(repository: TrustRepository, store: TrustStore) -> None:
    store.refresh(NOW)
    second = keys.generate()
    first = repository.object_keys[0]
    repository.object_keys.append(second)
    repository.revoke(first.kid, {ORIGIN: 7})
    repository.ceilings[OTHER] = "green"
    repository.publish(NOW + HOUR)
    store.refresh(NOW + HOUR)
    assert store.keys.kids == {first.kid, second.kid}
    assert store.revoked(first.kid, ORIGIN) == 7
    assert store.revoked(first.kid, OTHER) == 0
    assert store.revoked(second.kid, ORIGIN) is None
    assert store.ceiling(OTHER) == "green"


def test_a_log_that_the_publisher_does_not_have_is_none_of_its_logs(store: TrustStore) -> None:
    store.refresh(NOW)
    with pytest.raises(TrustRootFailed, match="knows no log"):
        store.ceiling(OTHER)


def test_over_http_and_from_a_folder_are_the_same(
    repository: TrustRepository, store: TrustStore, serve: Callable[[Path], str]
) -> None:
    store.refresh(NOW, location=serve(repository.folder))
    assert store.keys.kids == {repository.object_keys[0].kid}


def test_what_is_stored_serves_until_it_expires_when_nobody_answers(
    repository: TrustRepository, store: TrustStore
) -> None:
    away = "http://127.0.0.1:9"
    with pytest.raises(TrustRootFailed, match="none is stored yet"):
        store.refresh(NOW, location=away)
    store.refresh(NOW)
    again = TrustStore(store._folder.parent)
    found = again.refresh(NOW + 6 * DAY, location=away)
    assert "refused" in found.offline
    assert again.keys.kids == {repository.object_keys[0].kid}
    with pytest.raises(TrustRootFailed, match="timestamp metadata expired on 2026-11-29"):
        again.refresh(NOW + 8 * DAY, location=away)


def test_a_server_that_fails_is_as_one_that_is_away_but_one_without_a_trust_root_is_not(
    repository: TrustRepository, store: TrustStore, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    store.refresh(NOW)
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrustRootFailed, match="no trust root is served there"):
        store.refresh(NOW, location=serve(tmp_path / "empty"))


def test_an_old_copy_is_refused_by_who_has_seen_a_newer_one(
    repository: TrustRepository, store: TrustStore, tmp_path: Path
) -> None:
    shutil.copytree(repository.folder, tmp_path / "old")
    repository.object_keys.append(keys.generate())
    repository.publish(NOW + HOUR)
    store.refresh(NOW + HOUR)
    with pytest.raises(TrustRootFailed, match="rolled back"):
        store.refresh(NOW + HOUR, location=str(tmp_path / "old"))
    # And what it trusted before, it trusts on.
    store.refresh(NOW + HOUR)
    assert len(store.keys.kids) == 2


def test_metadata_that_too_few_keys_signed_is_refused(repository: TrustRepository, store: TrustStore) -> None:
    repository.object_keys.append(keys.generate())
    repository.publish(NOW, signed_by=repository.targets_keys[:1])
    with pytest.raises(TrustRootFailed, match="targets metadata is signed by 1 of the 2 keys"):
        store.refresh(NOW)


def test_the_root_is_replaced_by_its_own_threshold_only(
    repository: TrustRepository, store: TrustStore
) -> None:
    store.refresh(NOW)
    before = [*repository.root_keys]
    repository.root_keys = [keys.generate() for _ in range(3)]
    repository.renew_root(NOW, signed_by=[before[0], *repository.root_keys[:2]])
    with pytest.raises(TrustRootFailed, match="root metadata is signed by 1 of the 2 keys"):
        store.refresh(NOW)
    repository.renew_root(NOW, signed_by=[*before[:2], *repository.root_keys[:2]], version=2)
    assert store.refresh(NOW).root_version == 2


def test_an_expired_root_is_refused_and_a_new_one_heals_it(
    repository: TrustRepository, store: TrustStore
) -> None:
    late = NOW + 366 * DAY
    repository.publish(late)
    with pytest.raises(TrustRootFailed, match="root metadata expired on 2027-11-22"):
        store.refresh(late)
    repository.renew_root(late)
    repository.object_keys.append(keys.generate())  # targets are older than 120 days too
    repository.publish(late)
    assert store.refresh(late).root_version == 2


def test_another_publishers_root_is_told_from_this_one(repository: TrustRepository, tmp_path: Path) -> None:
    other = TrustRepository(tmp_path / "other", now=NOW)
    store = TrustStore.init(tmp_path / "home", other.root_json, str(repository.folder))
    with pytest.raises(TrustRootFailed, match="it is another publisher's"):
        store.refresh(NOW)


def test_a_home_trusts_one_root(repository: TrustRepository, store: TrustStore, tmp_path: Path) -> None:
    TrustStore.init(tmp_path / "home", repository.root_json, "http://elsewhere.example")
    assert store.location == "http://elsewhere.example"
    other = TrustRepository(tmp_path / "other", now=NOW)
    with pytest.raises(TrustRootFailed, match="trusts another root"):
        TrustStore.init(tmp_path / "home", other.root_json, "http://elsewhere.example")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("metadata/1.targets.json", "does not verify|not TUF metadata|not the one"),
        ("metadata/timestamp.json", "not TUF metadata"),
    ],
)
def test_what_is_no_root_or_no_metadata_is_said_to_be_so(
    repository: TrustRepository, store: TrustStore, tmp_path: Path, path: str, sentence: str
) -> None:
    with pytest.raises(TrustRootFailed, match="not TUF metadata"):
        TrustStore.init(tmp_path / "third", b"{}", "http://elsewhere.example")
    (repository.folder / roles.TUF_PATH / path).write_bytes(b"[]")
    with pytest.raises(TrustRootFailed, match=sentence):
        store.refresh(NOW)


def test_a_target_that_was_changed_is_refused(repository: TrustRepository, store: TrustStore) -> None:
    (jwks,) = (repository.folder / roles.TUF_PATH / "targets").glob("*.jwks.json")
    jwks.write_bytes(jwks.read_bytes().replace(b'"sig"', b'"gis"'))
    with pytest.raises(TrustRootFailed, match="not the one that was signed"):
        store.refresh(NOW)


def test_a_torn_memory_of_what_was_fetched_is_said_and_not_forgotten(tmp_path: Path) -> None:
    store = TrustStore(tmp_path)
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "root.json").write_bytes(b"{}")
    for torn in ("", "v-gone", "../elsewhere"):
        (tmp_path / "trust" / "current").write_text(torn)
        with pytest.raises(TrustRootFailed, match="is damaged"):
            store.recall(datetime.now(UTC))
