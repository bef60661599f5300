"""Getting in at the desk, by every road, and not getting in."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.actions import sign_in as sign_ins
from accounts.actor import Actor
from accounts.models import AuditEvent, Member, Notice, Organization
from accounts.sign_in import sealing
from tests.desk import SECRET, code, give_app, sign_in

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"
LOGIN, SECOND = "/admin/login/", "/admin/account/second-factor/"


@pytest.fixture(autouse=True)
def quick_hashes(settings: Any) -> None:
    """A password hash is slow on purpose; here it would only take the tests' time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def hub(db: None) -> Organization:
    return Organization.objects.create(slug="hub", name="Hub", sector="operator")


@pytest.fixture
def lab(db: None) -> Organization:
    return Organization.objects.create(slug="lab-a", name="Lab A", sector="ai-lab")


def member(organization: Organization | None, role: str, username: str = "", **more: Any) -> Member:
    made = Member(
        username=username or role, organization=organization, role=role, email=f"{role}@hub.example", **more
    )
    made.set_password(PASSWORD)
    made.save()
    return made


@pytest.fixture
def analyst(hub: Organization) -> Member:
    return member(hub, "analyst")


@pytest.fixture
def reader(lab: Organization) -> Member:
    return member(lab, "reader")


class Browser(Client):
    """Sends forms as browsers do: Django's client would send them as forms with files."""

    def post(self, path: str, data: Any = None, **more: Any) -> Any:  # type: ignore[override]
        return super().post(path, urlencode(data or {}), "application/x-www-form-urlencoded", **more)


def password(client: Client, who: Member, given: str = PASSWORD, **more: str) -> Any:
    return client.post(LOGIN, {"login": who.username, "password": given} | more)


def second(client: Client, given: str) -> Any:
    return client.post(SECOND, {"code": given})


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


def notices(kind: str) -> list[tuple[str, str]]:
    found = Notice.objects.filter(kind=kind).order_by("organization__slug")
    return list(found.values_list("organization__slug", "sentence"))


def test_a_reader_without_a_second_factor_gets_in_by_password(reader: Member) -> None:
    client = Browser()

    answer = password(client, reader)

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert is_in(client)
    event = AuditEvent.objects.get(action="sign-in.done")
    assert (event.actor, event.detail["methods"]) == ("member:reader", ["password"])


def test_an_analyst_gets_in_by_password_and_code(analyst: Member) -> None:
    give_app(analyst)
    client = Browser()

    half = password(client, analyst)
    between = client.get("/admin/")
    whole = second(client, code())

    assert half["Location"] == SECOND
    assert between.status_code == 302
    assert (whole.status_code, whole["Location"]) == (302, "/admin/")
    assert is_in(client)
    assert AuditEvent.objects.get(action="sign-in.done").detail["methods"] == ["password", "totp"]


def test_a_code_of_the_half_minute_before_counts_one_of_an_hour_ago_does_not(analyst: Member) -> None:
    give_app(analyst)
    old, slow = Browser(), Browser()
    password(old, analyst)
    password(slow, analyst)

    stale = second(old, code(step=-120))
    late = second(slow, code(step=-1))

    assert "This code is wrong or was used already" in stale.content.decode()
    assert not is_in(old)
    assert late.status_code == 302


def test_a_code_that_was_used_signs_nobody_in_again(analyst: Member) -> None:
    give_app(analyst)
    used = code()
    first, again = Browser(), Browser()
    password(first, analyst)
    assert second(first, used).status_code == 302
    password(again, analyst)

    answer = second(again, used)

    assert answer.status_code == 200
    assert "used already" in answer.content.decode()
    assert not is_in(again)


def test_the_code_that_set_an_app_up_is_used_up(analyst: Member) -> None:
    client = Browser()
    password(client, analyst)
    page = client.get("/admin/account/second-factor/app/").content.decode()
    secret = re.search(r'id="totp-secret">([A-Z2-7]+)<', page)
    assert secret is not None
    given = code(secret[1])
    set_up = client.post("/admin/account/second-factor/app/", {"code": given})
    other = Browser()
    password(other, analyst)

    answer = second(other, given)

    assert (set_up.status_code, set_up["Location"]) == (302, "/admin/account/second-factor/codes/")
    assert is_in(client)
    assert not is_in(other)
    assert answer.status_code == 200


@pytest.mark.parametrize("role", ["analyst", "admin"])
@pytest.mark.parametrize("where", ["hub", "lab-a"])
def test_who_must_have_a_second_factor_and_has_none_sees_only_how_to_set_one_up(
    hub: Organization, lab: Organization, role: str, where: str
) -> None:
    client = Browser()
    password(client, member(hub if where == "hub" else lab, role))

    pages = [
        "/admin/", "/admin/sharing/review/", "/admin/accounts/auditevent/", "/admin/nothing/", "/admin/jsi18n/",
        "/admin/account/second-factor/codes/", "/admin/account/single-sign-on/links/",
    ]  # fmt: skip
    answers = [client.get(page) for page in pages]
    posted = client.post("/admin/sharing/review/", {"action": "approve"})
    shown = client.get("/admin/account/")
    htmx = client.get("/admin/", headers={"HX-Request": "true"})

    assert {answer.status_code for answer in answers} == {302}
    assert all(answer["Location"].startswith("/admin/account/?next=") for answer in answers)
    assert posted["Location"] == "/admin/account/"
    assert htmx["HX-Redirect"] == "/admin/account/"
    assert "Set up a second factor first" in shown.content.decode()
    assert client.get("/admin/account/second-factor/app/").status_code == 200
    assert client.get("/admin/account/second-factor/keys/add/").status_code == 200
    assert client.post("/admin/logout/").status_code == 302


def test_a_superuser_must_have_a_second_factor_too() -> None:
    client = Browser()
    password(client, member(None, "reader", "root", is_superuser=True))

    assert client.get("/admin/")["Location"].startswith("/admin/account/")


def test_a_role_that_is_raised_during_a_session_asks_for_a_second_factor_at_once(reader: Member) -> None:
    client = Browser()
    password(client, reader)
    assert is_in(client)

    Member.objects.filter(pk=reader.pk).update(role="analyst")

    assert client.get("/admin/")["Location"].startswith("/admin/account/")


def test_a_session_from_before_the_second_factor_has_to_show_it(reader: Member) -> None:
    client = Browser()
    password(client, reader)
    give_app(reader)

    kept_out = client.get("/admin/?x=1")
    removing = client.get("/admin/account/second-factor/app/remove/")
    showing = client.post("/admin/account/second-factor/again/?next=/admin/%3Fx%3D1", {"code": code()})

    assert kept_out["Location"] == "/admin/account/second-factor/again/?next=%2Fadmin%2F%3Fx%3D1"
    assert removing["Location"].startswith("/admin/account/second-factor/again/")
    assert showing["Location"] == "/admin/?x=1"
    assert is_in(client)


def test_a_second_factor_that_is_taken_away_ends_what_it_opened(analyst: Member) -> None:
    client = sign_in(Browser(), analyst)
    assert is_in(client)

    assert sign_ins.reset_second_factor(member=analyst, by=Actor("service:test"), now=timezone.now()) == 1

    assert client.get("/admin/")["Location"].startswith("/admin/account/")
    assert "removed by service:test" in notices("sign-in.method-removed")[0][1]


def test_a_session_of_who_is_deactivated_ends(analyst: Member) -> None:
    client = sign_in(Browser(), analyst)
    assert is_in(client)

    Member.objects.filter(pk=analyst.pk).update(is_active=False)

    assert client.get("/admin/")["Location"].startswith(LOGIN)
    assert "The username or the password is wrong" in password(client, analyst).content.decode()


def test_who_belongs_to_no_organisation_gets_no_session(db: None) -> None:
    client = Browser()

    answer = password(client, member(None, "reader"))

    assert answer.status_code == 403
    assert "There is nothing here for this account" in answer.content.decode()
    assert client.get("/admin/").status_code == 302


def test_a_session_of_who_left_their_organisation_shows_nothing(reader: Member) -> None:
    client = Browser()
    password(client, reader)
    Member.objects.filter(pk=reader.pk).update(organization=None)

    answer = client.get("/admin/")

    assert answer.status_code == 403
    assert "There is nothing here for this account" in answer.content.decode()


def test_an_unknown_name_and_a_wrong_password_are_answered_the_same(reader: Member) -> None:
    wrong = password(Browser(), reader, "not it at all").content.decode()
    unknown = Browser().post(LOGIN, {"login": "nobody", "password": "not it at all"}).content.decode()

    assert "The username or the password is wrong." in wrong
    assert "The username or the password is wrong." in unknown


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "http://localhost/",
        "x",
    ],
)
def test_no_sign_in_and_no_proof_leads_to_another_site(reader: Member, target: str) -> None:
    client = Browser()

    signed_in = password(client, reader, next=target)
    proved = client.post(f"/admin/account/again/?next={target}", {"password": PASSWORD})
    signed_out = client.post("/admin/logout/", {"next": target})

    assert signed_in["Location"] == "/admin/"
    assert proved["Location"] == "/admin/"
    assert signed_out["Location"] == LOGIN


def test_who_is_signed_in_already_is_led_on_and_nowhere_else(reader: Member) -> None:
    client = Browser()
    password(client, reader)

    assert client.get(LOGIN, {"next": "/admin/account/"})["Location"] == "/admin/account/"
    assert client.get(LOGIN, {"next": "https://evil.example/"})["Location"] == "/admin/"


def test_nobody_signs_up_and_the_page_on_passwords_says_whom_to_ask(reader: Member) -> None:
    client = Browser()

    help_page = client.get("/admin/account/password/").content.decode()

    assert "Stillwatch sends no e-mail" in help_page
    assert "/admin/account/password/" in client.get(LOGIN).content.decode()
    for path in ("signup/", "account/signup/", "account/email/", "account/password/reset/"):
        answer = client.get(f"/admin/{path}")
        assert answer.status_code == 302
        assert answer["Location"].startswith(LOGIN)


def test_signing_out_ends_the_session(analyst: Member) -> None:
    client = sign_in(Browser(), analyst)

    asked = client.get("/admin/logout/")
    assert is_in(client)
    client.post("/admin/logout/")

    assert "This ends your session" in asked.content.decode()
    assert not is_in(client)


class TestLockOut:
    """Five wrong tries of one name at one address, whichever secret was guessed."""

    def test_five_wrong_passwords_lock_the_name_at_that_address(
        self, reader: Member, hub: Organization
    ) -> None:
        client = Browser()

        tries = [password(client, reader, f"guess {number}") for number in range(5)]
        right = password(client, reader)
        elsewhere = Browser(REMOTE_ADDR="198.51.100.7")

        assert [one.status_code for one in tries] == [200, 200, 200, 200, 429]
        assert "Too many tries failed" in tries[-1].content.decode()
        assert right.status_code == 429
        assert int(right["Retry-After"]) == 900
        assert not is_in(client)
        assert password(elsewhere, reader).status_code == 302

    def test_the_organisation_and_the_operator_are_told_once(self, reader: Member, hub: Organization) -> None:
        client = Browser()
        for number in range(8):
            password(client, reader, f"guess {number}")

        told = notices("sign-in.locked-out")

        assert [slug for slug, _ in told] == ["hub", "lab-a"]
        assert "Sign-in as reader from 127.0.0.1 failed too often" in told[0][1]
        assert actions().count("sign-in.locked-out") == 1

    def test_names_that_nobody_has_are_told_to_nobody(self, hub: Organization) -> None:
        answers = [Browser().post(LOGIN, {"login": "nobody", "password": "x"}) for _ in range(6)]

        assert answers[-1].status_code == 429
        assert not Notice.objects.exists()
        assert not AuditEvent.objects.exists()

    def test_wrong_codes_lock_as_wrong_passwords_do(self, analyst: Member) -> None:
        give_app(analyst)
        client = Browser()
        password(client, analyst)

        tries = [second(client, f"{number:06}") for number in range(5)]
        right = second(client, code())
        anew = password(Browser(), analyst)

        assert [one.status_code for one in tries] == [200, 200, 200, 200, 429]
        assert right.status_code == 429
        assert anew.status_code == 429
        assert not is_in(client)
        assert len(notices("sign-in.locked-out")) == 1

    def test_a_right_password_does_not_forgive_wrong_codes(self, analyst: Member) -> None:
        give_app(analyst)
        answers = []
        for number in range(5):
            client = Browser()
            password(client, analyst)
            answers.append(second(client, f"{number:06}"))

        assert answers[-1].status_code == 429

    def test_getting_in_forgives(self, reader: Member) -> None:
        client = Browser()
        for _ in range(4):
            password(client, reader, "wrong")
        password(client, reader)
        client.post("/admin/logout/")

        assert [password(client, reader, "wrong").status_code for _ in range(4)] == [200] * 4

    def test_recovery_codes_are_guessed_no_more_often(self, analyst: Member) -> None:
        give_app(analyst)
        RecoveryCodes.activate(analyst)
        client = Browser()
        password(client, analyst)

        answers = [second(client, f"{number:08}") for number in range(5)]

        assert answers[-1].status_code == 429

    def test_guesses_from_many_addresses_are_stopped_as_well(self, analyst: Member) -> None:
        give_app(analyst)
        answers = []
        for number in range(12):
            client = Browser(REMOTE_ADDR=f"198.51.100.{number}")
            password(client, analyst)
            answers.append(second(client, f"{number:06}").content.decode())

        assert "Too many tries failed. Wait ten minutes" in answers[-1]

    def test_confirming_with_a_wrong_password_locks_too(self, analyst: Member) -> None:
        client = sign_in(Browser(), analyst, fresh=False)

        answers = [client.post("/admin/account/again/", {"password": "wrong"}) for _ in range(5)]

        assert answers[-1].status_code == 429
        assert "another password" in answers[-1].content.decode()

    def test_the_operator_lets_somebody_try_again(self, reader: Member) -> None:
        client = Browser()
        for _ in range(5):
            password(client, reader, "wrong")

        call_command("axes_reset_username", "reader", verbosity=0)

        assert password(client, reader).status_code == 302

    def test_it_ends_by_itself(self, reader: Member) -> None:
        from axes.models import AccessAttempt

        client = Browser()
        for _ in range(5):
            password(client, reader, "wrong")
        AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))

        assert password(client, reader).status_code == 302

    def test_no_password_and_no_code_is_kept_of_a_failure(self, analyst: Member) -> None:
        from axes.models import AccessAttempt

        give_app(analyst)
        client = Browser()
        password(client, analyst, "my real password at home")
        password(client, analyst)
        second(client, "123123")

        kept = " ".join(f"{one.get_data} {one.post_data}" for one in AccessAttempt.objects.all())
        assert kept
        assert "my real password" not in kept
        assert "123123" not in kept


class TestSecondFactors:
    """Adding, removing and recovering them."""

    def test_the_secret_and_the_seed_are_sealed_in_the_database(self, analyst: Member) -> None:
        secret = sign_ins.enrol_app(member=analyst, by=Actor("service:test"), now=timezone.now())
        codes = RecoveryCodes.activate(analyst).generate_codes()

        stored = str(list(Authenticator.objects.values_list("data", flat=True)))

        assert secret not in stored
        assert not any(one in stored for one in codes)
        assert sealing.unseal(Authenticator.objects.get(type="totp").data["secret"]) == secret

    def test_what_was_sealed_under_another_key_opens_nothing_and_breaks_nothing(
        self, analyst: Member, settings: Any
    ) -> None:
        give_app(analyst)
        settings.SECRET_KEY = "another key, which is long enough to be one of a server"
        client = Browser()
        password(client, analyst)

        answer = second(client, code())

        assert answer.status_code == 200
        assert "set up anew" in answer.content.decode()
        assert not is_in(client)

    def test_a_recovery_code_signs_in_once_and_is_told_of(self, analyst: Member) -> None:
        give_app(analyst)
        one = RecoveryCodes.activate(analyst).generate_codes()[0]
        client, again = Browser(), Browser()
        password(client, analyst)
        password(again, analyst)

        first, repeated = second(client, one), second(again, one)

        assert first.status_code == 302
        assert is_in(client)
        assert repeated.status_code == 200
        assert not is_in(again)
        assert "used a recovery code, 9 are left" in notices("sign-in.recovery-code-used")[0][1]

    def test_adding_an_app_is_told_of_and_gives_recovery_codes(
        self, reader: Member, hub: Organization
    ) -> None:
        client = Browser()
        password(client, reader)
        page = client.get("/admin/account/second-factor/app/").content.decode()
        secret = re.search(r'id="totp-secret">([A-Z2-7]+)<', page)
        assert secret is not None

        wrong = client.post("/admin/account/second-factor/app/", {"code": "000000"})
        client.post("/admin/account/second-factor/app/", {"code": code(_secret_of(wrong))})
        codes = client.get("/admin/account/second-factor/codes/").content.decode()

        assert wrong.status_code == 200
        assert len(re.findall(r"^\d{8}$", codes.replace(">", ">\n"), re.MULTILINE)) == 10
        assert [slug for slug, _ in notices("sign-in.method-added")] == ["hub", "lab-a"]
        assert is_in(client)

    def test_the_last_one_stays_with_who_must_have_one(self, analyst: Member) -> None:
        client = sign_in(Browser(), analyst)

        asked = client.get("/admin/account/second-factor/app/remove/")
        client.post("/admin/account/second-factor/app/remove/")

        assert "add another one before you remove this" in asked.content.decode()
        assert Authenticator.objects.filter(user=analyst, type="totp").exists()

    def test_others_may_remove_theirs_and_it_is_told_of(self, reader: Member) -> None:
        client = sign_in(Browser(), reader)

        client.post("/admin/account/second-factor/app/remove/")

        assert not Authenticator.objects.filter(user=reader).exists()
        assert "removed an authenticator app" in notices("sign-in.method-removed")[0][1]
        assert is_in(client)

    def test_the_key_of_somebody_else_is_no_key_of_mine(self, analyst: Member, reader: Member) -> None:
        key = Authenticator.objects.create(user=reader, type="webauthn", data={"name": "k", "credential": {}})
        client = sign_in(Browser(), analyst)

        for page in ("", "remove/"):
            assert client.post(f"/admin/account/second-factor/keys/{key.pk}/{page}").status_code == 404
        assert Authenticator.objects.filter(pk=key.pk).exists()

    def test_the_last_key_stays_with_who_must_have_one(self, analyst: Member) -> None:
        client = sign_in(Browser(), analyst)
        key = Authenticator.objects.create(
            user=analyst, type="webauthn", data={"name": "k", "credential": {}}
        )
        app = Authenticator.objects.get(user=analyst, type="totp")

        from accounts.sign_in.adapters import SecondFactors

        may = SecondFactors().can_delete_authenticator
        assert may(key)
        assert may(app)
        app.delete()
        assert not may(key)
        assert client.get("/admin/").status_code == 302


def _secret_of(answer: Any) -> str:
    found = re.search(r'id="totp-secret">([A-Z2-7]+)<', answer.content.decode())
    assert found is not None
    return found[1]


class TestPasswords:
    """Changed by their owner, or by the operator."""

    def test_changing_it_is_told_of_and_ends_the_other_sessions(self, reader: Member) -> None:
        client, other = Browser(), Browser()
        password(client, reader)
        password(other, reader)

        answer = client.post(
            "/admin/password_change/",
            {
                "oldpassword": PASSWORD,
                "password1": "a different long sentence",
                "password2": "a different long sentence",
            },
        )

        assert answer.status_code == 302
        assert is_in(client)
        assert not is_in(other)
        assert "reader changed their password, from 127.0.0.1" in notices("sign-in.password-changed")[0][1]

    def test_a_short_one_is_refused(self, reader: Member) -> None:
        client = Browser()
        password(client, reader)

        answer = client.post(
            "/admin/password_change/", {"oldpassword": PASSWORD, "password1": "short", "password2": "short"}
        )

        assert "at least 12 characters" in answer.content.decode()

    def test_the_operator_gives_another_one(
        self, reader: Member, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        client = Browser()
        password(client, reader)
        monkeypatch.setenv("NEW_PASSWORD", "a different long sentence")

        call_command("set_member_password", "reader", "--password-env", "NEW_PASSWORD")

        assert not is_in(client)
        assert password(client, reader, "a different long sentence").status_code == 302
        assert "another password by service:set_member_password" in notices("sign-in.password-changed")[0][1]

    def test_the_operator_takes_a_lost_second_factor_away(self, analyst: Member) -> None:
        give_app(analyst)

        call_command("reset_second_factor", "analyst", verbosity=0)

        assert not Authenticator.objects.filter(user=analyst).exists()


class TestFreshProof:
    """ask_again, and what it asks on."""

    URL = "/admin/account/second-factor/app/remove/"

    def test_signing_in_counts_for_a_while(self, reader: Member) -> None:
        assert sign_in(Browser(), reader).get(self.URL).status_code == 200

    def test_after_that_it_asks_and_leads_back(self, reader: Member) -> None:
        client = sign_in(Browser(), reader, fresh=False)

        asked = client.get(self.URL)
        page = client.get(asked["Location"])
        proved = client.post(asked["Location"], {"password": PASSWORD})

        assert asked["Location"].startswith("/admin/account/again/?next=")
        assert "Another way" in page.content.decode()
        assert proved["Location"] == self.URL
        assert client.get(self.URL).status_code == 200
        assert Authenticator.objects.filter(user=reader).exists()
