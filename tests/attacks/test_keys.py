"""Keys that are stolen, unknown or out of date, and a trust root that is not what it says."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import rfc8785

from sharing.signing import keys
from sharing.signing.jws import sign_object
from tests.attacks import tampering
from tests.attacks.scene import Scene
from tests.sharing.verifier.log_simulator import ORIGIN, RED, an_indicator


def now(scene: Scene) -> datetime:
    return datetime.fromtimestamp(scene.publisher.clock, UTC)


def test_what_a_revoked_key_signed_counts_only_below_its_index_and_within_the_log(scene: Scene) -> None:
    publisher = scene.publisher
    stix = rfc8785.dumps(an_indicator(0))
    jws = publisher.signature(0)
    one = ["verify", "object", scene.file("object.json", stix), "--jws", jws, "--home", str(scene.home)]
    page = ["verify", "page", scene.file("page.json", publisher.page(0, 4)), "--home", str(scene.home)]
    assert [scene.stillwatch(*what).code for what in (one, page)] == [0, 0]

    publisher.trust.revoke(publisher.signer.kid, {ORIGIN: 11})
    publisher.trust.publish(now(scene))
    found = scene.sync()

    assert (found.code, found.report["code"], found.report["index"]) == (18, "unknown-key", 11)
    assert [scene.stillwatch(*what).code for what in (one, page)] == [18, 18]

    # Below the index the log itself, cosigned, shows that it stood there before.
    lower = publisher.checkpoint(11)
    publisher.page_size = 11
    for path in (publisher.path("pages")).glob("*"):
        path.unlink()
    publisher.write(11, checkpoint=lower)
    scene.way.tamper = None
    del publisher.entries[11:]
    publisher.write(11, checkpoint=lower)
    assert scene.sync().code == 0


def test_a_stranger_signs_nothing(scene: Scene) -> None:
    stranger = keys.generate()

    def signed_by_the_stranger(envelope: tampering.Envelope, entries: tampering.Entries) -> None:
        entries[0]["jws"] = sign_object(stranger, rfc8785.dumps(envelope["objects"][0]))

    scene.way.tamper = tampering.page_from(0, signed_by_the_stranger)

    found = scene.sync()

    assert (found.code, found.report["index"]) == (18, 0)


def test_a_publisher_that_goes_above_the_ceiling_is_found_out(scene: Scene) -> None:
    scene.publisher.publish(an_indicator(300, object_marking_refs=[RED]), tlp="red")
    scene.publisher.write()

    found = scene.sync()

    assert (found.code, found.report["code"], found.report["index"]) == (21, "above-ceiling", 14)


def test_an_expired_root_is_trusted_no_more(scene: Scene) -> None:
    trust = scene.publisher.trust
    trust.renew_root(now(scene) - timedelta(days=800))
    trust.publish(now(scene))

    found = scene.sync()

    assert (found.code, found.report["code"]) == (19, "trust-root")
    assert "expired" in found.report["sentence"]


def test_an_expired_timestamp_is_trusted_no_more(scene: Scene) -> None:
    """A mirror that goes on serving what it has."""
    scene.publisher.trust.publish(now(scene) - timedelta(days=60))

    assert scene.sync().code == 19


def test_a_root_by_too_few_of_its_keys_is_refused(scene: Scene) -> None:
    trust = scene.publisher.trust
    trust.renew_root(now(scene), signed_by=trust.root_keys[:1])
    trust.publish(now(scene))

    assert scene.sync().code == 19


def test_other_keys_than_those_of_the_root_are_refused(scene: Scene) -> None:
    """A mirror puts its own key into the key set."""

    def tamper(path: str, raw: bytes) -> bytes:
        if not path.endswith(".jwks.json"):
            return raw
        mine = json.loads(scene.publisher.trust.jwks())
        mine["keys"][0] |= {"x": keys.generate().public_jwk()["x"]}
        return json.dumps(mine).encode()

    scene.publisher.trust.object_keys.append(keys.generate())
    scene.publisher.trust.publish(now(scene))
    scene.way.tamper = tamper

    assert scene.sync().code == 19


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_metadata_that_was_changed_is_refused(scene: Scene, role: str) -> None:
    def tamper(path: str, raw: bytes) -> bytes:
        if not path.endswith(f"{role}.json"):
            return raw
        metadata = json.loads(raw)
        metadata["signed"]["version"] += 1
        return json.dumps(metadata).encode()

    scene.publisher.trust.object_keys.append(keys.generate())
    scene.publisher.trust.publish(now(scene))
    scene.way.tamper = tamper

    assert scene.sync().code == 19
