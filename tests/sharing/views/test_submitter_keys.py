"""An organisation's own signing keys, as its programs register them over REST and its admins at the portal."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actions.tokens import issue
from accounts.models import Member, Organization, Role
from sharing.models import SubmitterKey
from sharing.signing import keys
from sharing.signing.keys import Ed25519Signer
from tests.desk import sign_in
from tests.sharing.actions.conftest import Shop
from tests.sharing.actions.signing_partner import BY, posted
from tests.sharing.admin.people import signed_in

URL = "/api/v1/keys/"


def caller(organization: Organization, scope: str = "submit") -> Client:
    _, secret = issue(organization_id=organization.id, name=scope, scopes=[scope], by=BY, now=timezone.now())
    return Client(headers={"Authorization": f"Bearer {secret}"})


def register(client: Client, body: Any) -> Any:
    return client.post(URL, json.dumps(body), content_type="application/json")


def fresh(organization: Organization, signer: Ed25519Signer | None = None, **members: str) -> dict[str, Any]:
    return posted(organization, signer or keys.generate(), timezone.now(), **members)


def test_a_key_is_registered_listed_and_retired(shop: Shop) -> None:
    client, signer = caller(shop.lab_a), keys.generate()

    made = register(client, fresh(shop.lab_a, signer))

    assert made.status_code == 201
    assert (made.json()["kid"], made.json()["jwk"]) == (signer.kid, signer.public_jwk())
    assert [one["kid"] for one in client.get(URL).json()] == [signer.kid]
    assert client.get(f"{URL}{signer.kid}/").json()["retired_at"] is None
    retired = client.post(f"{URL}{signer.kid}/retire/").json()["retired_at"]
    assert retired is not None
    assert client.post(f"{URL}{signer.kid}/retire/").json()["retired_at"] == retired
    again = register(client, fresh(shop.lab_a, signer))
    assert (again.status_code, again.json()["code"]) == (409, "key-registered")


def test_a_key_is_nobody_elses_to_see_or_retire(shop: Shop) -> None:
    signer = keys.generate()
    register(caller(shop.lab_a), fresh(shop.lab_a, signer))
    other = caller(shop.lab_b)

    assert other.get(URL).json() == []
    for answer in (other.get(f"{URL}{signer.kid}/"), other.post(f"{URL}{signer.kid}/retire/")):
        assert answer.status_code == 404
    assert SubmitterKey.objects.get().retired_at is None
    # Who holds the private half is not told that somebody else registered it.
    assert register(other, fresh(shop.lab_b, signer)).status_code == 201


def test_keys_take_the_scope_that_submitting_takes(shop: Shop) -> None:
    assert caller(shop.lab_a, "feed:read").get(URL).status_code == 403
    assert Client().get(URL).status_code == 401


def test_what_proves_no_possession_registers_nothing(shop: Shop) -> None:
    client, signer = caller(shop.lab_a), keys.generate()
    good = fresh(shop.lab_a, signer)
    old = posted(shop.lab_a, signer, timezone.now() - timedelta(days=8))
    early = posted(shop.lab_a, signer, timezone.now() + timedelta(days=1))
    wrong: list[tuple[str, Any]] = [
        ("registration", []),
        ("registration", good | {"more": 1}),
        ("registration", {"registration": {}, "jws": good["jws"]}),
        ("jws", good | {"jws": None}),
        ("jws", good | {"jws": fresh(shop.lab_a)["jws"]}),
        ("jws", good | {"registration": good["registration"] | {"name": "Another"}}),
        ("jws", good | {"registration": good["registration"] | {"jwk": keys.generate().public_jwk()}}),
        ("jwk", good | {"registration": good["registration"] | {"jwk": signer.public_jwk() | {"d": "x"}}}),
        ("jwk", good | {"registration": good["registration"] | {"jwk": {"kty": "RSA", "crv": "", "x": ""}}}),
        ("v", good | {"registration": good["registration"] | {"v": True}}),
        ("name", fresh(shop.lab_a, signer, name=" ")),
        ("organization", fresh(shop.lab_b, signer)),
        ("host", fresh(shop.lab_a, signer, host="elsewhere.example")),
        ("at", old),
        ("at", early),
        ("at", good | {"registration": good["registration"] | {"at": "yesterday"}}),
    ]

    for field, body in wrong:
        answer = register(client, body)
        assert (answer.status_code, list(answer.json())) == (400, [field]), body
    assert not SubmitterKey.objects.exists()


def test_as_many_keys_as_one_organisation_may_have(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharing.actions.submitter_keys.MOST", 1)
    client = caller(shop.lab_a)
    register(client, fresh(shop.lab_a))

    answer = register(client, fresh(shop.lab_a))

    assert (answer.status_code, answer.json()["code"]) == (409, "too-many-keys")


def test_admins_register_and_retire_at_the_portal(shop: Shop) -> None:
    admin, signer = signed_in(shop.lab_a, Role.ADMIN), keys.generate()
    assert "There is no key yet" in admin.get("/admin/own/keys/").content.decode()

    made = admin.post("/admin/own/keys/register/", {"registration": json.dumps(fresh(shop.lab_a, signer))})
    assert made.status_code == 302
    assert signer.kid in admin.get("/admin/own/keys/").content.decode()

    assert "cannot be undone" in admin.get(f"/admin/own/keys/{signer.kid}/retire/").content.decode()
    admin.post(f"/admin/own/keys/{signer.kid}/retire/")
    assert SubmitterKey.objects.get().retired_at is not None


def test_an_unwatched_screen_registers_and_retires_nothing(shop: Shop) -> None:
    signer = keys.generate()
    register(caller(shop.lab_a), fresh(shop.lab_a, signer))
    member = Member.objects.create(username="away", organization=shop.lab_a, role=Role.ADMIN)
    stale = sign_in(Client(), member, fresh=False)

    for path in ("register/", f"{signer.kid}/retire/"):
        asked = stale.post(f"/admin/own/keys/{path}", {"registration": json.dumps(fresh(shop.lab_a))})
        assert (asked.status_code, "next=" in asked.headers["Location"]) == (302, True)
    assert [key.retired_at for key in SubmitterKey.objects.all()] == [None]


def test_what_is_wrong_with_a_registration_stands_at_its_field(shop: Shop) -> None:
    admin = signed_in(shop.lab_a, Role.ADMIN)

    for text, said in (("{", "line 1, column 2"), (json.dumps(fresh(shop.lab_b)), "another")):
        page = admin.post("/admin/own/keys/register/", {"registration": text})
        assert said in page.content.decode()
    assert not SubmitterKey.objects.exists()


def test_others_of_the_organisation_look_and_others_organisations_see_nothing(shop: Shop) -> None:
    signer = keys.generate()
    register(caller(shop.lab_a), fresh(shop.lab_a, signer))
    reader, stranger = signed_in(shop.lab_a, Role.READER), signed_in(shop.lab_b, Role.ADMIN)

    assert signer.kid in reader.get("/admin/own/keys/").content.decode()
    assert reader.get("/admin/own/keys/register/").status_code in {403, 404}
    assert reader.post(f"/admin/own/keys/{signer.kid}/retire/").status_code in {403, 404}
    assert signer.kid not in stranger.get("/admin/own/keys/").content.decode()
    assert stranger.post(f"/admin/own/keys/{signer.kid}/retire/").status_code == 404
    assert SubmitterKey.objects.get().retired_at is None


@pytest.mark.parametrize("kid", ["%00", "a%00", "%FF", "é", "9" * 5000])
def test_what_is_no_key_id_is_not_found(shop: Shop, kid: str) -> None:
    client = caller(shop.lab_a)

    for answer in (client.get(f"{URL}{kid}/"), client.post(f"{URL}{kid}/retire/")):
        assert answer.status_code == 404
