"""Lists at the desk: what stands beside their rows is asked for once a page, not once a row."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from django.urls import reverse

from accounts.models import Organization
from indicators.models import Detector, Likeness, Merge, Subject
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.admin.people import signed_in
from tests.sharing.conftest import Counted

pytestmark = pytest.mark.django_db


def some(shop: Shop, start: int, count: int) -> None:
    """So many detectors, likenesses and lines of the merge journal, from a number on."""
    for number in range(start, start + count):
        Detector.objects.create(
            organization=shop.lab_a, analytic=f"a{number}", registered_at=NOW, registered_by="service:test"
        )
        one, other = (
            Subject.objects.create(community=shop.community, key=f"{number}-{n}".encode(), object_type="tool")
            for n in range(2)
        )
        Likeness.objects.create(
            community=shop.community, first=one, second=other, similarity=0.7, found_at=NOW
        )
        Merge.objects.create(
            community=shop.community,
            kind="analyst",
            survivor=one,
            other=other,
            reason="The same.",
            made_at=NOW + timedelta(seconds=number),
            made_by="member:test",
        )


@pytest.mark.parametrize("model", ["detector", "likeness", "merge"])
def test_a_longer_page_of_a_list_asks_no_more_often(
    model: str,
    shop: Shop,
    operator: Organization,
    statements: Callable[[], AbstractContextManager[Counted]],
) -> None:
    client = signed_in(operator, "analyst")
    page = reverse(f"admin:indicators_{model}_changelist")
    counts = []
    for start, count in ((0, 2), (2, 10)):
        some(shop, start, count)
        client.get(page)
        with statements() as counted:
            assert client.get(page).status_code == 200
        counts.append(counted.count)
    assert counts[0] == counts[1]
