"""Two people stay two: whoever brought something in, by whichever way, neither approves it nor lowers its TLP alone."""

import json
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import Organization
from indicators.models import Claim, Submission, SubmittedObject
from indicators.stix.canonical import canonical
from indicators.stix.markings import TLP, marking_id
from sharing.models import Collection, Kind, Review
from tests.sharing.admin.test_writing import INDICATOR, REFUSED, WRITE, Desk, Page, desk, said, written

__all__ = ["desk"]


def sender(client: Client, address: str) -> str:
    found = re.search(r'<option value="([0-9a-f-]{36})"', said(client.get(address)))
    assert found
    return found[1]


def upload(client: Client, body: bytes, name: str, **fields: str) -> Any:
    address = "/admin/portal/send/"
    file = SimpleUploadedFile(name, body)
    answer = client.post(address, {"file": file, "sender": sender(client, address), **fields})
    assert answer.status_code == 302, said(answer)
    return answer


def bundle(*objects: dict[str, Any]) -> bytes:
    return canonical(
        {"type": "bundle", "id": "bundle--3a1f0c52-6d0e-4a7f-9d3c-0a1b2c3d4e5f", "objects": list(objects)}
    )


def later_version(claim: Claim, tlp: TLP) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(bytes(claim.body))
    modified = timezone.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return body | {"modified": modified, "object_marking_refs": [marking_id(tlp)]}


def case_page(client: Client) -> str:
    return said(client.get(f"/admin/sharing/review/{Review.objects.get(state='pending').id}/change/"))


def test_who_sent_a_file_does_not_approve_what_is_in_it(desk: Desk) -> None:
    ada = desk.client("ada")

    upload(ada, b"value,type\nselfmade.example,domain-name\n", "x.csv")
    desk.work()

    page = case_page(ada)
    assert "Your own work" in page
    assert 'value="approve"' not in page
    with pytest.raises(REFUSED, match="you wrote this"):
        desk.approve("ada")
    desk.approve("ben")
    assert [one["pattern"] for one in desk.in_feed()] == ["[domain-name:value = 'selfmade.example']"]


def test_nor_who_looked_at_it_first_and_then_submitted_it(desk: Desk) -> None:
    ada = desk.client("ada")
    shown = upload(ada, b"value,type\nselfmade.example,domain-name\n", "x.csv", preview="on")
    assert ada.post(shown["Location"], {"submit": "1"}).status_code == 302
    desk.work()

    with pytest.raises(REFUSED, match="you wrote this"):
        desk.approve("ada")


def test_who_pasted_text_does_not_approve_what_was_found_in_it(desk: Desk) -> None:
    ada, address = desk.client("ada"), "/admin/portal/paste/"
    inbox = sender(ada, address)
    found = said(ada.post(address, {"sender": inbox, "text": "saw hxxp://bad[.]example[.]org/x"}))
    chosen = re.findall(r'name="chosen" value="([^"]+)"', found)
    answer = ada.post(address, {"sender": inbox, "submit": "1", "chosen": chosen, "tlp": "amber"})
    assert answer.status_code == 302, said(answer)
    desk.work()

    assert Submission.objects.get().member == desk.member("ada")
    with pytest.raises(REFUSED, match="you wrote this"):
        desk.approve("ada")


def test_a_colleague_s_small_edit_makes_it_nobody_else_s_work(desk: Desk) -> None:
    page = written(desk)
    edit(desk, "ben", page, name="A proxy.")

    for username in ("ada", "ben"):
        with pytest.raises(REFUSED, match="you wrote this"):
            desk.approve(username)
    desk.approve("cyd")
    assert [one["name"] for one in desk.in_feed()] == ["A proxy."]


def test_nor_does_an_edit_of_what_came_in_a_file(desk: Desk) -> None:
    ada = desk.client("ada")
    written(desk, "ben")
    desk.approve("cyd")
    claim = Claim.objects.get()
    upload(ada, bundle(later_version(claim, TLP.AMBER) | {"name": "Hers"}), "x.json")
    desk.work()
    assert Claim.objects.get().submission.member == desk.member("ada")
    Review.objects.update(state="pending", decided_at=None, decided_by=None, decision_reason="")

    with pytest.raises(REFUSED, match="you wrote this"):
        desk.approve("ada")


def test_what_was_approved_since_counts_no_more(desk: Desk) -> None:
    page = written(desk)
    desk.approve("ben")
    edit(desk, "ben", page, name="Another name")
    # As if the rule had changed, and the new version had to be looked at.
    approved = Review.objects.get()
    Review.objects.create(
        release=approved.release,
        community=desk.community,
        state="pending",
        sources=1,
        opened_at=timezone.now(),
        ceiling=approved.ceiling,
        object_type="indicator",
        title="x",
        reason="x",
    )

    with pytest.raises(REFUSED, match="you wrote this"):
        desk.approve("ben")
    desk.approve("ada")


@pytest.mark.parametrize("tlp", [TLP.CLEAR, TLP.GREEN])
def test_nobody_lowers_a_tlp_by_a_file(desk: Desk, tlp: TLP) -> None:
    written(desk)
    desk.approve("ben")
    claim = Claim.objects.get()
    other = later_version(claim, TLP.AMBER) | {
        "id": "indicator--8d1e2f0a-5b6c-4d7e-8f90-1a2b3c4d5e6f",
        "pattern": "[domain-name:value = 'other.example']",
    }

    upload(desk.client("ada"), bundle(later_version(claim, tlp), other), "x.json")
    desk.work()

    claim.refresh_from_db()
    assert (claim.tlp, claim.stated_tlp) == (TLP.AMBER, TLP.AMBER)
    line, along = SubmittedObject.objects.filter(submission__member__isnull=False).order_by("ordinal")
    assert (line.outcome, line.reason) == ("rejected", "lowering-takes-two")
    assert line.sentence == (
        f"It counts as TLP:AMBER and this version as TLP:{tlp.name}: to lower it takes two people, at the desk."
    )
    assert along.outcome == "new"


def test_nobody_lowers_a_partners_tlp_by_a_file_sent_in_its_name(desk: Desk) -> None:
    lab = Organization.objects.get(slug="lab-a")
    inbox = Collection.objects.create(
        community=desk.community, owner=lab, kind=Kind.INBOX, alias="lab-a", title="Inbox of Lab A", ceiling=4
    )
    ada, theirs = desk.client("ada"), desk.client("lea", "submitter", lab)
    upload(theirs, b"value,type,tlp\ntheirs.example,domain-name,amber\n", "x.csv")
    desk.work()
    claim = Claim.objects.get()
    file = SimpleUploadedFile("x.json", bundle(later_version(claim, TLP.CLEAR)))

    answer = ada.post("/admin/indicators/upload/add/", {"file": file, "sender": str(inbox.id)})
    assert answer.status_code == 302
    desk.work()

    claim.refresh_from_db()
    assert claim.tlp == TLP.AMBER
    assert SubmittedObject.objects.filter(reason="lowering-takes-two").count() == 1
    # What its own people send is its own word.
    upload(theirs, bundle(later_version(claim, TLP.GREEN)), "y.json")
    desk.work()
    claim.refresh_from_db()
    assert claim.tlp == TLP.GREEN


def test_the_preview_of_a_file_says_that_it_would_lower_a_tlp(desk: Desk) -> None:
    written(desk)
    ada = desk.client("ada")
    shown = upload(ada, bundle(later_version(Claim.objects.get(), TLP.CLEAR)), "x.json", preview="on")

    assert "to lower it takes two people" in said(ada.get(shown["Location"]))


def test_the_same_or_a_higher_tlp_comes_in_by_a_file(desk: Desk) -> None:
    written(desk)
    claim = Claim.objects.get()

    for tlp in (TLP.AMBER, TLP.AMBER_STRICT):
        upload(desk.client("ada"), bundle(later_version(claim, tlp)), f"{tlp}.json")
        desk.work()
        claim.refresh_from_db()
        assert claim.tlp == tlp


def test_the_database_lowers_no_claim_by_what_one_brought_in(desk: Desk) -> None:
    written(desk)
    claim = Claim.objects.get()
    sent = Submission.objects.get()
    sent.member = desk.member("ada")
    sent.save()

    with pytest.raises(IntegrityError, match="nobody lowers its TLP alone"), transaction.atomic():
        Claim.objects.filter(id=claim.id).update(tlp=0, stated_tlp=0, body=b"{}", submission_id=sent.id)


def edit(desk: Desk, username: str, page: Page, **fields: str) -> None:
    again = Page.__new__(Page)
    again.client = desk.client(username)
    place = f"{WRITE}said/{desk.community.id}/{page.draft.object_id}/"
    again.open(again.client.post(f"{place}edit/")["Location"])
    assert again.send("submit", **INDICATOR | fields).status_code == 302
    desk.work()
