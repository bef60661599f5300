"""One subject that cannot be published stops no other: it is set aside, and the audit trail says so."""

from accounts.models import AuditEvent
from indicators.models import Claim, PendingFold
from indicators.stix.markings import marking_id
from sharing.models import Entry
from tests.conformance import stix
from tests.sharing.actions.test_belief import AMBER, Feeds, day, feeds, indicator

__all__ = ["feeds"]


def test_a_claim_that_cannot_be_read_any_more_is_set_aside_and_the_rest_is_published(feeds: Feeds) -> None:
    broken, whole = indicator(), stix.indicator(object_marking_refs=[marking_id(AMBER)])
    feeds.submit(feeds.shop.lab_a, broken, now=day(0))
    Claim.objects.filter(object_id=broken["id"]).update(body=b"{ torn")
    again = indicator(AMBER)

    feeds.submit(feeds.shop.lab_b, again, whole, now=day(1))

    published = Entry.objects.filter(collection=feeds.feeds[AMBER], object_type="indicator")
    assert [whole["pattern"] in bytes(one.body or b"").decode() for one in published] == [False, True]
    assert not PendingFold.objects.exists()
    (event,) = AuditEvent.objects.filter(action="subject.set-aside")
    subject = Claim.objects.get(object_id=again["id"]).subject_id
    assert event.target == f"subject:{subject}"
