import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from sharing.signing import base64url
from sharing.signing.jws import sign_object
from sharing.signing.keys import KeySet, generate
from sharing.tlog.page import PROPERTY
from sharing.verifier import strict_json
from sharing.verifier.failures import (
    AboveCeiling,
    Altered,
    Dropped,
    KeyRefused,
    Malformed,
    OutOfOrder,
    SignatureFailed,
    VerificationFailed,
)
from sharing.verifier.page import verify_page
from tests.sharing.verifier.log_simulator import (
    AMBER,
    GREEN,
    ORIGIN,
    RED,
    LogSimulator,
    altered,
    an_address,
    an_indicator,
    restate,
)

Attack = Callable[[dict[str, Any], list[Any]], object]


@pytest.fixture(scope="module")
def log() -> LogSimulator:
    log = LogSimulator()
    for number in range(4):
        log.publish(an_indicator(number))
    log.publish(an_indicator(1, modified="2026-01-03T00:00:00.000Z", revoked=True))
    log.publish(an_address(7))
    return log


@pytest.fixture(scope="module")
def erased() -> LogSimulator:
    """Six entries: 1 erased by 3, 2 erased by 5."""
    log = LogSimulator()
    for number in range(3):
        log.publish(an_indicator(number))
    log.withdraw(1)
    log.publish(an_indicator(4))
    log.withdraw(2, reason="legal")
    return log


def refusal(log: LogSimulator, attack: Attack, *, page: bytes | None = None) -> VerificationFailed:
    with altered(log.page() if page is None else page) as (envelope, entries, rewritten):
        attack(envelope, entries)
    with pytest.raises(VerificationFailed) as caught:
        verify_page(rewritten(), log.keys(), ceiling="amber")
    return caught.value


def test_an_honest_page_is_verified_and_counted(log: LogSimulator) -> None:
    report = verify_page(log.page(), log.keys(), ceiling="amber")

    assert (report.origin, report.start, report.end) == (ORIGIN, 0, 6)
    assert (report.objects, report.signatures, report.withdrawn) == (6, 6, 0)
    assert report.complete
    assert report.kids == (log.signer.kid,)
    with pytest.raises(FrozenInstanceError):
        report.objects = 7  # type: ignore[misc]


def test_a_page_from_the_middle_of_the_log_is_verified(log: LogSimulator) -> None:
    report = verify_page(log.page(2, 5), log.keys())

    assert (report.start, report.end, report.objects) == (2, 5, 3)


@pytest.mark.parametrize("leave_out", [[], ["objects"]])
def test_an_empty_page_is_verified(log: LogSimulator, leave_out: list[str]) -> None:
    with altered(log.page(6, 6)) as (envelope, _, rewritten):
        for name in leave_out:
            del envelope[name]

    report = verify_page(rewritten(), log.keys())

    assert (report.objects, report.complete, report.kids) == (0, True, ())


def test_a_page_that_a_proxy_laid_out_anew_is_verified(log: LogSimulator) -> None:
    page = json.dumps(json.loads(log.page()), indent=2, ensure_ascii=True).encode()

    assert verify_page(page, log.keys()).objects == 6


def test_a_filtered_page_is_verified_but_not_called_complete(log: LogSimulator) -> None:
    report = verify_page(log.filtered_page([1, 4]), log.keys())

    assert (report.start, report.end, report.complete) == (None, None, False)
    assert (report.objects, report.signatures) == (2, 2)


def test_a_page_signed_by_two_keys_names_both(log: LogSimulator) -> None:
    other = LogSimulator()
    body = log.entries[0].body
    assert body is not None
    with altered(log.page()) as (_, entries, rewritten):
        entries[0]["jws"] = sign_object(other.signer, body)
    both = KeySet.from_jwks({"keys": [*log.jwks()["keys"], *other.jwks()["keys"]]})

    assert verify_page(rewritten(), both).kids == tuple(sorted([log.signer.kid, other.signer.kid]))


# Objects


def test_an_altered_field_is_altered(log: LogSimulator) -> None:
    failure = refusal(log, lambda page, _: page["objects"][2].update(confidence=5))

    assert isinstance(failure, Altered)
    assert failure.exit_code == 11
    assert (failure.index, failure.object_id) == (2, an_indicator(2)["id"])
    assert "entry 2" in str(failure)


def test_an_altered_object_without_a_version_is_altered(log: LogSimulator) -> None:
    assert isinstance(refusal(log, lambda page, _: page["objects"][5].update(value="192.0.2.8")), Altered)


def test_a_lowered_marking_is_altered(log: LogSimulator) -> None:
    assert isinstance(
        refusal(log, lambda page, _: page["objects"][0].update(object_marking_refs=[])), Altered
    )


def test_an_altered_object_with_a_forged_statement_has_a_bad_signature(log: LogSimulator) -> None:
    def attack(page: dict[str, Any], entries: list[Any]) -> None:
        forged = LogSimulator()
        forged.publish(page["objects"][0] | {"confidence": 5})
        page["objects"][0]["confidence"] = 5
        restate(entries[0], sha256=json.loads(json.loads(forged.entries[0].opening)["stmt"])["sha256"])

    failure = refusal(log, attack)

    assert isinstance(failure, SignatureFailed)
    assert (failure.exit_code, failure.index) == (10, 0)


def test_a_statement_about_another_id_or_version_is_altered(log: LogSimulator) -> None:
    assert isinstance(refusal(log, lambda _, e: restate(e[0], id=an_indicator(9)["id"])), Altered)
    assert isinstance(refusal(log, lambda _, e: restate(e[0], ver="2027-01-01T00:00:00.000Z")), Altered)
    assert isinstance(refusal(log, lambda _, e: restate(e[0], ver="-")), Altered)


def test_a_statement_below_the_objects_own_marking_is_altered() -> None:
    log = LogSimulator()
    log.publish(an_indicator(1, object_marking_refs=[AMBER]), tlp="amber")

    assert isinstance(refusal(log, lambda _, e: restate(e[0], tlp="green")), Altered)


def test_a_statement_below_the_marking_of_a_part_is_altered() -> None:
    log = LogSimulator()
    part = {"marking_ref": RED, "selectors": ["name"]}
    log.publish(an_indicator(1, granular_markings=[part]), tlp="red")

    assert isinstance(refusal(log, lambda _, e: restate(e[0], tlp="green")), Altered)


def test_an_object_that_no_entry_is_about_is_altered(log: LogSimulator) -> None:
    failure = refusal(log, lambda page, _: page["objects"].append(an_indicator(99)))

    assert isinstance(failure, Altered)
    assert failure.object_id == an_indicator(99)["id"]


def test_a_dropped_object_is_dropped(log: LogSimulator) -> None:
    failure = refusal(log, lambda page, _: page["objects"].pop(3))

    assert isinstance(failure, Dropped)
    assert (failure.exit_code, failure.index, failure.object_id) == (12, 3, an_indicator(3)["id"])


def test_an_object_dropped_with_its_entry_is_dropped(log: LogSimulator) -> None:
    assert isinstance(refusal(log, lambda page, e: (page["objects"].pop(3), e.pop(3))), Dropped)


def test_a_truncated_page_is_dropped(log: LogSimulator) -> None:
    def attack(page: dict[str, Any], entries: list[Any]) -> None:
        del page["objects"][4:], entries[4:]

    assert isinstance(refusal(log, attack), Dropped)


def test_a_dropped_object_of_a_filtered_page_is_dropped(log: LogSimulator) -> None:
    failure = refusal(log, lambda page, _: page["objects"].pop(0), page=log.filtered_page([1, 4]))

    assert isinstance(failure, Dropped)
    assert (failure.index, failure.object_id) == (None, an_indicator(1)["id"])


@pytest.mark.parametrize("with_entries", [False, True])
def test_swapped_objects_are_out_of_order(log: LogSimulator, with_entries: bool) -> None:
    def attack(page: dict[str, Any], entries: list[Any]) -> None:
        for swapped in [page["objects"], entries] if with_entries else [page["objects"]]:
            swapped[0], swapped[1] = swapped[1], swapped[0]

    failure = refusal(log, attack)

    assert isinstance(failure, OutOfOrder)
    assert failure.exit_code == 13


def test_swapped_objects_of_a_filtered_page_are_out_of_order(log: LogSimulator) -> None:
    failure = refusal(log, lambda page, _: page["objects"].reverse(), page=log.filtered_page([1, 4]))

    assert isinstance(failure, OutOfOrder)


def test_a_doubled_object_is_out_of_order(log: LogSimulator) -> None:
    assert isinstance(refusal(log, lambda page, _: page["objects"].insert(1, page["objects"][0])), OutOfOrder)


@pytest.mark.parametrize("place", [0, 5])
@pytest.mark.parametrize("count_anew", [False, True])
def test_an_object_doubled_with_its_entry_is_out_of_order(
    log: LogSimulator, place: int, count_anew: bool
) -> None:
    def attack(page: dict[str, Any], entries: list[Any]) -> None:
        page["objects"].append(page["objects"][place])
        entries.append(entries[place])
        page[PROPERTY]["end"] += count_anew

    assert isinstance(refusal(log, attack), OutOfOrder)


def test_a_version_doubled_under_a_forged_entry_is_out_of_order(log: LogSimulator) -> None:
    def attack(page: dict[str, Any], entries: list[Any]) -> None:
        page["objects"].append(page["objects"][0])
        entries.append(entries[0] | {"salt": base64url.encode(b"s" * 32)})
        restate(entries[-1], added=log.now + 1)
        page[PROPERTY]["end"] += 1

    assert isinstance(refusal(log, attack), OutOfOrder)


def test_added_times_that_do_not_rise_are_out_of_order(log: LogSimulator) -> None:
    failure = refusal(log, lambda _, e: restate(e[1], added=json.loads(e[0]["stmt"])["added"]))

    assert isinstance(failure, OutOfOrder)
    assert failure.index == 1


# Signatures


def test_a_stripped_signature_is_a_bad_signature(log: LogSimulator) -> None:
    failure = refusal(log, lambda _, e: e[2].pop("jws"))

    assert isinstance(failure, SignatureFailed)
    assert failure.index == 2


def test_another_objects_signature_is_a_bad_signature(log: LogSimulator) -> None:
    failure = refusal(log, lambda _, e: e[2].update(jws=e[1]["jws"]))

    assert isinstance(failure, SignatureFailed)
    assert (failure.index, failure.object_id) == (2, an_indicator(2)["id"])


def test_a_foreign_keys_signature_is_refused(log: LogSimulator) -> None:
    def attack(page: dict[str, Any], entries: list[Any]) -> None:
        body = log.entries[1].body
        assert body is not None
        entries[1]["jws"] = sign_object(generate(), body)

    failure = refusal(log, attack)

    assert isinstance(failure, KeyRefused)
    assert (failure.exit_code, failure.index) == (18, 1)


def test_a_key_taken_out_of_the_key_set_is_refused(log: LogSimulator) -> None:
    with pytest.raises(KeyRefused):
        verify_page(log.page(), KeySet.from_jwks({"keys": []}))


def test_a_signature_with_a_critical_header_is_malformed(log: LogSimulator) -> None:
    def attack(page: dict[str, Any], entries: list[Any]) -> None:
        header = {"alg": "Ed25519", "crit": ["b64"], "kid": log.signer.kid, "typ": "stix-object+jws"}
        encoded = base64url.encode(json.dumps(header, separators=(",", ":")).encode())
        entries[0]["jws"] = encoded + ".." + entries[0]["jws"].partition("..")[2]

    failure = refusal(log, attack)

    assert isinstance(failure, Malformed)
    assert failure.exit_code == 20


# Withdrawn entries


def test_erased_entries_are_counted_and_their_withdrawals_reported(erased: LogSimulator) -> None:
    report = verify_page(erased.page(), erased.keys())

    assert (report.objects, report.signatures, report.withdrawn, report.complete) == (2, 2, 2, True)
    assert (report.withdraws, report.owed) == ((1, 2), ())


def test_an_entry_withdrawn_by_a_later_page_is_owed(erased: LogSimulator) -> None:
    report = verify_page(erased.page(0, 4), erased.keys())

    assert (report.withdraws, report.owed) == ((1,), ((2, 5),))


def test_a_withdrawal_of_an_earlier_pages_entry_is_verified(erased: LogSimulator) -> None:
    assert verify_page(erased.page(3), erased.keys()).withdraws == (1, 2)


def test_an_object_still_standing_beside_its_withdrawal_is_reported_not_refused() -> None:
    log = LogSimulator()
    log.publish(an_indicator(1))
    kept = log.entries[0].opening, log.entries[0].body
    log.withdraw(0)
    log.entries[0].withdrawn_by = None
    log.entries[0].opening, log.entries[0].body = kept

    report = verify_page(log.page(), log.keys())

    assert (report.objects, report.withdrawn, report.withdraws) == (1, 0, (0,))


def test_an_entry_erased_without_a_withdrawal_is_dropped(log: LogSimulator) -> None:
    def attack(page: dict[str, Any], entries: list[Any]) -> None:
        page["objects"].pop(1)
        entries[1] = {"commit": base64url.encode(log.entries[1].commit), "withdrawn_by": 3}

    failure = refusal(log, attack)

    assert isinstance(failure, Dropped)
    assert failure.index == 1


def test_an_erased_entry_that_names_another_entrys_withdrawal_is_dropped(erased: LogSimulator) -> None:
    assert isinstance(refusal(erased, lambda _, e: e[2].update(withdrawn_by=3)), Dropped)


def test_a_withdrawal_of_what_comes_later_is_out_of_order(erased: LogSimulator) -> None:
    assert isinstance(refusal(erased, lambda _, e: restate(e[2], target=5), page=erased.page(3)), OutOfOrder)
    assert isinstance(refusal(erased, lambda _, e: e[2].update(withdrawn_by=2)), OutOfOrder)


def test_a_second_withdrawal_is_out_of_order(erased: LogSimulator) -> None:
    assert isinstance(refusal(erased, lambda _, e: restate(e[5], target=1)), Dropped | OutOfOrder)
    page = erased.page(3)
    assert isinstance(refusal(erased, lambda _, e: restate(e[2], target=1), page=page), OutOfOrder)


def test_a_withdrawal_of_a_withdrawal_is_altered(erased: LogSimulator) -> None:
    assert isinstance(refusal(erased, lambda _, e: restate(e[2], target=3), page=erased.page(3)), Altered)


# The ceiling


def test_a_statement_above_the_ceiling_is_refused() -> None:
    log = LogSimulator()
    log.publish(an_indicator(1))
    log.publish(an_indicator(2), tlp="amber+strict")

    with pytest.raises(AboveCeiling) as caught:
        verify_page(log.page(), log.keys(), ceiling="amber")

    assert (caught.value.exit_code, caught.value.index) == (21, 1)
    assert verify_page(log.page(), log.keys(), ceiling="amber+strict").objects == 2
    assert verify_page(log.page(), log.keys()).objects == 2


def test_an_object_marked_above_the_ceiling_cannot_hide_behind_its_statement() -> None:
    log = LogSimulator()
    log.publish(an_indicator(1, object_marking_refs=[GREEN, RED]), tlp="green")

    with pytest.raises(Altered):
        verify_page(log.page(), log.keys(), ceiling="green")


def test_an_unknown_ceiling_is_a_mistake_of_the_caller(log: LogSimulator) -> None:
    with pytest.raises(ValueError, match="ceiling"):
        verify_page(log.page(), log.keys(), ceiling="white")


# The format


def test_a_page_without_proof_is_malformed(log: LogSimulator) -> None:
    failure = refusal(log, lambda page, _: page.pop(PROPERTY))

    assert isinstance(failure, Malformed)
    assert "proof=1" in failure.sentence


@pytest.mark.parametrize("raw", [b"", b"[]", b"\xff", b"{", b'{"objects":[],"objects":[]}', b"[" * 100_000])
def test_what_is_not_strict_json_is_malformed(log: LogSimulator, raw: bytes) -> None:
    with pytest.raises(Malformed):
        verify_page(raw, log.keys())


def test_a_doubled_json_key_is_malformed(log: LogSimulator) -> None:
    page = log.page().replace(b'"confidence":80', b'"confidence":80,"confidence":5', 1)

    with pytest.raises(Malformed, match="confidence"):
        verify_page(page, log.keys())


@pytest.mark.parametrize(
    "attack",
    [
        lambda page, e: page.update(objects={}),
        lambda page, e: page["objects"].insert(0, 1),
        lambda page, e: page["objects"][0].pop("id"),
        lambda page, e: page["objects"][0].update(modified=1),
        lambda page, e: page["objects"][0].update(description="x" * 2**18),
        lambda page, e: page[PROPERTY].update(v=2),
        lambda page, e: page[PROPERTY].update(v=True),
        lambda page, e: page[PROPERTY].update(origin="feed.example"),
        lambda page, e: page[PROPERTY].update(extra=1),
        lambda page, e: page[PROPERTY].pop("end"),
        lambda page, e: page[PROPERTY].update(start=-1),
        lambda page, e: page[PROPERTY].update(start=7),
        lambda page, e: page[PROPERTY].update(end="6"),
        lambda page, e: page[PROPERTY].update(entries={}),
        lambda page, e: e.__setitem__(0, []),
        lambda page, e: e[0].update(extra=1),
        lambda page, e: e[0].pop("salt"),
        lambda page, e: e[0].update(salt=e[0]["salt"] + "="),
        lambda page, e: e[0].update(salt="AAAA"),
        lambda page, e: e[0].update(salt=None),
        lambda page, e: e[0].update(jws=None),
        lambda page, e: e[0].update(jws=e[0]["jws"] + "\n"),
        lambda page, e: e[0].update(stmt=json.loads(e[0]["stmt"])),
        lambda page, e: e[0].update(stmt=" " + e[0]["stmt"]),
        lambda page, e: restate(e[0], v=2),
        lambda page, e: restate(e[0], extra=1),
        lambda page, e: restate(e[0], tlp="white"),
        lambda page, e: e.__setitem__(0, {"commit": "AQ", "withdrawn_by": 1}),
        lambda page, e: e.__setitem__(0, {"commit": base64url.encode(b"\1" * 33), "withdrawn_by": "1"}),
    ],
)
def test_whatever_breaks_the_format_is_malformed(log: LogSimulator, attack: Attack) -> None:
    failure = refusal(log, attack)

    assert isinstance(failure, Malformed)
    assert failure.sentence


def test_a_filtered_page_with_entries_of_no_object_is_malformed(erased: LogSimulator) -> None:
    page = erased.filtered_page([0])
    whole = json.loads(erased.page())[PROPERTY]["entries"]

    for foreign in (whole[1], whole[3]):
        assert isinstance(refusal(erased, lambda _, e, f=foreign: e.append(f), page=page), Malformed)  # type: ignore[misc]


def test_a_signed_withdrawal_is_malformed(erased: LogSimulator) -> None:
    assert isinstance(refusal(erased, lambda _, e: e[3].update(jws=e[0]["jws"])), Malformed)


def test_foreign_text_cannot_act_on_the_terminal(log: LogSimulator) -> None:
    failure = refusal(log, lambda page, _: page["objects"].append(an_indicator(9, id="a\x1b[2J\u202e")))

    assert failure.sentence.isascii()
    assert failure.sentence.isprintable()


def test_a_page_of_the_largest_objects_is_read_part_by_part() -> None:
    log = LogSimulator()
    for number in range(30):
        log.publish(an_indicator(number, description=f"é{number}" * 60_000))
    page = log.page()
    assert len(page.decode()) > 2 * strict_json.MAX_OBJECT_TEXT
    assert verify_page(page, log.keys()).objects == 30
    with altered(page) as (_, _, rewritten):
        assert verify_page(rewritten(), log.keys()).objects == 30
    with altered(page) as (envelope, _, rewritten):
        envelope["objects"][29]["name"] = "another"
        with pytest.raises(Altered):
            verify_page(rewritten(), log.keys())
    with pytest.raises(Malformed, match="not JSON: "):
        verify_page(page[:-3], log.keys())


@pytest.mark.parametrize("layout", ["[" + "[]," * 2_000_000 + "[]]", '"' + "x" * 6_000_000 + '"'])
def test_an_object_longer_than_any_may_be_is_not_parsed(layout: str) -> None:
    log = LogSimulator()
    log.publish(an_indicator(0))
    page = log.page().decode().replace('"objects":[{', f'"objects":[{{"x_long":{layout},')
    with pytest.raises(Malformed, match=r"^objects\[0\]: not JSON, or longer than 2097152 characters$"):
        verify_page(page.encode(), log.keys())


def test_a_member_longer_than_any_may_be_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json, "MAX_MEMBER_TEXT", 10_000)
    log = LogSimulator()
    log.publish(an_indicator(0))
    extra = b'{"x_long":[%b],' % b",".join([b"{}"] * 4_000)
    page = log.page()
    with pytest.raises(Malformed, match="a member of more than 10000 characters"):
        verify_page(page.replace(b"{", extra, 1), log.keys())
    short = b"".join(b'"x_%d":[%b],' % (number, b",".join([b"{}"] * 1_000)) for number in range(4))
    assert verify_page(page.replace(b"{", b"{" + short, 1), log.keys()).objects == 1
