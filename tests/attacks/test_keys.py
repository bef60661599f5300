"""Keys that are stolen, unknown or out of date, and a trust root that is not what it says."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import rfc8785

from sharing.signing import keys
from sharing.signing.jws import sign_object
from tests.attacks import tampering
from tests.attacks.world import World
from tests.sharing.verifier.log_simulator import ORIGIN, RED, an_indicator


def now(world: World) -> datetime:
    return datetime.fromtimestamp(world.publisher.clock, UTC)


def test_what_a_revoked_key_signed_counts_only_below_its_index_and_within_the_log(world: World) -> None:
    publisher = world.publisher
    stix = rfc8785.dumps(an_indicator(0))
    jws = publisher.signature(0)
    one = ["verify", "object", world.file("object.json", stix), "--jws", jws, "--home", str(world.home)]
    page = ["verify", "page", world.file("page.json", publisher.page(0, 4)), "--home", str(world.home)]
    assert [world.stillwatch(*what).code for what in (one, page)] == [0, 0]

    publisher.trust.revoke(publisher.signer.kid, {ORIGIN: 11})
    publisher.trust.publish(now(world))
    found = world.sync()

    assert (found.code, found.report["code"], found.report["index"]) == (18, "unknown-key", 11)
    assert [world.stillwatch(*what).code for what in (one, page)] == [18, 18]

    # Below the index the log itself, cosigned, shows that it stood there before.
    lower = publisher.checkpoint(11)
    publisher.page_size = 11
    for path in (publisher.path("pages")).glob("*"):
        path.unlink()
    publisher.write(11, checkpoint=lower)
    world.way.tamper = None
    del publisher.entries[11:]
    publisher.write(11, checkpoint=lower)
    assert world.sync().code == 0


def test_a_stranger_signs_nothing(world: World) -> None:
    stranger = keys.generate()

    def signed_by_the_stranger(envelope: tampering.Envelope, entries: tampering.Entries) -> None:
        entries[0]["jws"] = sign_object(stranger, rfc8785.dumps(envelope["objects"][0]))

    world.way.tamper = tampering.page_from(0, signed_by_the_stranger)

    found = world.sync()

    assert (found.code, found.report["index"]) == (18, 0)


def test_a_publisher_that_goes_above_the_ceiling_is_found_out(world: World) -> None:
    world.publisher.publish(an_indicator(300, object_marking_refs=[RED]), tlp="red")
    world.publisher.write()

    found = world.sync()

    assert (found.code, found.report["code"], found.report["index"]) == (21, "above-ceiling", 14)


def test_an_expired_root_is_trusted_no_more(world: World) -> None:
    trust = world.publisher.trust
    trust.renew_root(now(world) - timedelta(days=800))
    trust.publish(now(world))

    found = world.sync()

    assert (found.code, found.report["code"]) == (19, "trust-root")
    assert "expired" in found.report["sentence"]


def test_an_expired_timestamp_is_trusted_no_more(world: World) -> None:
    """A mirror that goes on serving what it has."""
    world.publisher.trust.publish(now(world) - timedelta(days=60))

    assert world.sync().code == 19


def test_a_root_by_too_few_of_its_keys_is_refused(world: World) -> None:
    trust = world.publisher.trust
    trust.renew_root(now(world), signed_by=trust.root_keys[:1])
    trust.publish(now(world))

    assert world.sync().code == 19


def test_other_keys_than_those_of_the_root_are_refused(world: World) -> None:
    """A mirror puts its own key into the key set."""

    def tamper(path: str, raw: bytes) -> bytes:
        if not path.endswith(".jwks.json"):
            return raw
        mine = json.loads(world.publisher.trust.jwks())
        mine["keys"][0] |= {"x": keys.generate().public_jwk()["x"]}
        return json.dumps(mine).encode()

    world.publisher.trust.object_keys.append(keys.generate())
    world.publisher.trust.publish(now(world))
    world.way.tamper = tamper

    assert world.sync().code == 19


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_metadata_that_was_changed_is_refused(world: World, role: str) -> None:
    def tamper(path: str, raw: bytes) -> bytes:
        if not path.endswith(f"{role}.json"):
            return raw
        metadata = json.loads(raw)
        metadata["signed"]["version"] += 1
        return json.dumps(metadata).encode()

    world.publisher.trust.object_keys.append(keys.generate())
    world.publisher.trust.publish(now(world))
    world.way.tamper = tamper

    assert world.sync().code == 19
