"""What nobody may read off the desk: columns that no page shows, and pages in a browser's memory."""

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts.admin.base import ReadOnly
from accounts.models import Member
from tests.who import People


@pytest.fixture
def people(db: None) -> People:
    return People.made()


@pytest.mark.parametrize(
    "lookup",
    [
        "password__startswith", "password", "email__contains", "organization__member__password__startswith",
        "organization__name__startswith", "authenticator__data__contains", "session__contains", "pk__gt",
    ],
)  # fmt: skip
def test_no_column_is_guessed_by_its_beginning(people: People, lookup: str) -> None:
    analyst = people.client(people.hub, "analyst")
    member = people.member(people.lab_a, "admin")

    right = analyst.get("/admin/accounts/member/", {lookup: member.password[:1]})
    wrong = analyst.get("/admin/accounts/member/", {lookup: "~"})

    assert (right.status_code, wrong.status_code) == (400, 400)


def test_every_filter_that_a_list_offers_is_let(people: People) -> None:
    analyst = people.client(people.hub, "analyst")
    for model, page in admin.site._registry.items():
        assert isinstance(page, ReadOnly), model
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        shown = analyst.get(address)
        assert shown.status_code == 200, address
        context = shown.context_data if hasattr(shown, "context_data") else None
        if not context or "cl" not in context:
            continue
        changes = context["cl"]
        for spec in changes.filter_specs:
            for choice in spec.choices(changes):
                followed = analyst.get(address + str(choice["query_string"]))
                assert followed.status_code == 200, (address, choice["query_string"])


@pytest.mark.parametrize(
    "path",
    [
        "",
        "account/",
        "account/second-factor/app/",
        "own/tokens/",
        "tokens/issue/",
        "jsi18n/",
        "nothing/",
        "login/",
    ],
)
def test_no_page_is_kept_by_the_browser(people: People, path: str) -> None:
    for client in (people.client(people.hub, "admin"), Client()):
        assert "no-store" in client.get(f"/admin/{path}").headers["Cache-Control"], path


def test_an_admin_of_a_partner_gives_no_new_start_to_a_superuser(people: People) -> None:
    root = Member.objects.create(
        username="root",
        organization=people.lab_a,
        role="reader",
        is_superuser=True,
        is_staff=True,
        password="!",
    )
    client = people.client(people.lab_a, "admin")

    for page in ("password-link", "second-factor", "switch", "change"):
        assert client.post(f"/admin/members/{root.id}/{page}/", {"role": "reader"}).status_code == 404, page
    root.refresh_from_db()
    assert root.password == "!"
