"""What nobody vouches for: an inbox, which has no witnesses and no ceiling, and what a revoked key says then."""

import json
from pathlib import Path

import pytest

from sharing.signing import jws, keys
from sharing.verifier.strict_json import canonical
from tests.sharing.verifier.log_simulator import ORIGIN, an_indicator
from tests.sharing.verifier.publisher import Publisher, Reader

WITNESSES = ("one.example", "two.example", "three.example")
TWO_OF_THREE = b"group those 2 one.example two.example three.example\nquorum those\n"
ALONE = "--without-witnesses"


def published(folder: Path, *, listed: bool, witnessed: bool = True) -> Publisher:
    """Ten entries of a log that nobody cosigned; an inbox is not listed in collections.json."""
    asked = {"witnesses": WITNESSES, "policy": TWO_OF_THREE} if witnessed else {}
    publisher = Publisher(folder, **asked)  # type: ignore[arg-type]
    for number in range(10):
        publisher.publish(an_indicator(number))
    publisher.write(checkpoint=publisher.signed(cosigned_by=()))
    if not listed:
        publisher.trust.ceilings.clear()
        publisher.republish_trust()
    return publisher


@pytest.mark.parametrize("witnessed", [True, False], ids=["under a policy", "without a policy"])
def test_an_inbox_is_followed_and_its_bundles_verified_on_the_log_s_own_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, witnessed: bool
) -> None:
    publisher = published(tmp_path / "mirror", listed=False, witnessed=witnessed)
    reader = Reader(publisher, tmp_path / "reader")
    assert reader.init() == 0
    bundle = tmp_path / "bundle.json"
    bundle.write_bytes(publisher.bundle(3, publisher.signed(cosigned_by=())))
    page = str(publisher.path("pages/0.json"))
    capsys.readouterr()

    for asked in (["sync"], ["verify", "bundle", str(bundle)]):
        run = reader.sync if asked == ["sync"] else lambda *more, asked=asked: reader.run(*asked, *more)
        assert run() == 19
        assert "--without-witnesses" in capsys.readouterr().err
        assert run(ALONE) == 0
        said = capsys.readouterr().out
        assert "WITNESSES NOT ASKED FOR" in said
        assert "NO CEILING IS KNOWN" in said
    assert len(reader.objects()) == 10
    assert reader.run("verify", "page", page) == 19
    assert reader.run("verify", "page", page, "--ceiling", "red") == 0


def test_a_feed_s_ceiling_holds_without_witnesses_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = Reader(published(tmp_path / "mirror", listed=True), tmp_path / "reader")
    assert (reader.init(), reader.sync(), reader.sync(ALONE)) == (0, 17, 0)
    assert "NO CEILING" not in capsys.readouterr().out


def test_a_revoked_key_counts_nowhere_under_a_checkpoint_that_nobody_vouches_for(tmp_path: Path) -> None:
    publisher = published(tmp_path / "mirror", listed=True)
    publisher.trust.revoke(publisher.signer.kid, {ORIGIN: 10})
    publisher.republish_trust()
    reader = Reader(publisher, tmp_path / "reader")
    assert reader.init() == 0
    bundle = tmp_path / "bundle.json"
    bundle.write_bytes(publisher.bundle(3, publisher.signed(cosigned_by=())))

    assert reader.run("verify", "bundle", str(bundle), ALONE) == 18
    assert reader.sync(ALONE) == 18
    # Under one that two of them vouch for it stood before.
    vouched = publisher.signed(cosigned_by=WITNESSES[:2])
    bundle.write_bytes(publisher.bundle(3, vouched))
    publisher.put("checkpoint", vouched)
    assert reader.run("verify", "bundle", str(bundle)) == 0
    assert reader.sync() == 0


def test_what_a_revoked_key_says_to_one_organisation_is_refused(tmp_path: Path) -> None:
    publisher = published(tmp_path / "mirror", listed=True)
    reader = Reader(publisher, tmp_path / "reader")
    assert reader.init() == 0
    said: dict[str, object] = {
        "id": "1b0cf9a4-0000-4000-8000-000000000000",
        "at": "2026-11-22T00:00:00Z",
        "issuer": "https://feed.example/",
    }
    delivery = canonical(said | {"kind": "object.withdrawn"})
    receipt = canonical(said | {"state": "ingested", "object_count": 0})
    signed = {
        "delivery": (delivery, jws.sign(publisher.signer, delivery, typ=jws.DELIVERY)),
        "receipt": (receipt, jws.sign(publisher.signer, receipt, typ=jws.RECEIPT)),
    }

    def codes() -> list[int]:
        found = []
        for kind, (body, signature) in signed.items():
            (tmp_path / kind).write_bytes(body)
            found.append(reader.run("verify", kind, str(tmp_path / kind), "--jws", signature))
        return found

    assert codes() == [0, 0]
    publisher.trust.revoke(publisher.signer.kid, {ORIGIN: 10})
    publisher.trust.object_keys.append(keys.generate())
    publisher.republish_trust()
    reader.sync()
    assert codes() == [18, 18]


def test_a_page_by_a_key_that_was_revoked_since_is_kept_as_evidence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher = published(tmp_path / "mirror", listed=True, witnessed=False)
    reader = Reader(publisher, tmp_path / "reader")
    assert (reader.init(), reader.sync()) == (0, 0)
    publisher.trust.object_keys.append(keys.generate())
    publisher.trust.revoke(publisher.signer.kid, {ORIGIN: 5})
    publisher.republish_trust()
    capsys.readouterr()

    assert reader.sync("--json") == 18

    kept = Path(json.loads(capsys.readouterr().out)["evidence"])
    assert {one.name for one in kept.iterdir()} >= {"page.json", "checkpoint"}
