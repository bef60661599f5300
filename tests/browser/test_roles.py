"""Which pages of the sidebar each role can open: there, as if there were none, or the page to sign in."""

import pytest
import requests
from django.urls import reverse

from accounts.admin.navigation import SECTIONS
from tests.desk import desk_session
from tests.journeys import steps
from tests.world import World

pytestmark = pytest.mark.browser

#: Pages of the sidebar's sections that are for others than the operator's analysts and admins too.
FOR_ALL = {"admin:index", "admin:portal"}
FOR_ADMINS = {"admin:roles"}
FOR_THEIR_ADMINS = {"admin:own_members"}
FOR_SENDERS = {"admin:portal_send", "admin:portal_paste"}
ROLES = {
    "analyst": "the desk",
    "hub-admin": "the desk, administers",
    "reader": "",
    "lab-a-admin": "administers, sends, is told",
    "lab-a-submitter": "sends, is told",
    "lab-a-reader": "is told",
    "outsider-admin": "administers, sends, is told",
}


def expected(url: str, section: str, may: str) -> set[int]:
    """The statuses with which a page may answer whoever may do that."""
    shut = {404}
    if url in FOR_THEIR_ADMINS:
        return {200} if "administers" in may else shut
    if url in FOR_ALL or "the desk" in may:
        return {200}
    if url in FOR_ADMINS:
        return {200} if "administers" in may else shut
    if section != "Your organisation":
        return shut
    if url in FOR_SENDERS:
        return {200} if "sends" in may else shut
    if url == "admin:portal_notices":
        return {200} if "is told" in may else shut
    return {200}


def opened(world: World, session: requests.Session, path: str) -> requests.Response:
    return session.get(world.url + path, allow_redirects=False, timeout=60)


@pytest.mark.parametrize("username", ROLES)
def test_a_role_opens_the_pages_that_are_its_own_and_no_other(world: World, username: str) -> None:
    session = desk_session(world, username)
    wrong = []
    for section in SECTIONS:
        for item in section.items:
            answer = opened(world, session, reverse(item.url))
            if answer.status_code not in expected(item.url, section.title, ROLES[username]):
                wrong.append(f"{item.url}: {answer.status_code}")
    assert wrong == []


@pytest.mark.parametrize("username", ROLES)
def test_the_sidebar_shows_no_page_that_does_not_open(world: World, username: str) -> None:
    session = desk_session(world, username)
    home = session.get(f"{world.url}/admin/", timeout=60)
    assert home.status_code == 200
    named = {reverse(item.url): item.url for section in SECTIONS for item in section.items}
    shown = [path for path in named if f'href="{path}"' in home.text]
    assert len(shown) > (30 if "the desk" in ROLES[username] else 4)
    assert {path: opened(world, session, path).status_code for path in shown} == dict.fromkeys(shown, 200)


def test_the_signed_out_are_asked_to_sign_in_whatever_they_ask_for(world: World) -> None:
    for section in SECTIONS:
        for item in section.items:
            answer = opened(world, requests.Session(), reverse(item.url))
            assert answer.status_code == 302, item.url
            assert answer.headers["Location"].startswith("/admin/login/"), item.url


@pytest.mark.parametrize("username", ["reader", "lab-a-admin", "outsider-admin"])
def test_what_is_there_answers_like_what_is_not(world: World, username: str) -> None:
    """Nobody but the operator's analysts learns by the address of an object whether there is one."""
    world.submit("lab-a", [steps.indicator("there-or-not.example")])
    tables = {
        "sharing/review": "sharing_review",
        "indicators/subject": "indicators_subject",
        "indicators/submission": "indicators_submission",
        "accounts/organization": "accounts_organization",
        "accounts/member": "accounts_member",
        "accounts/auditevent": "accounts_auditevent",
    }
    session = desk_session(world, username)
    told = []
    for model, table in tables.items():
        ((there,),) = world.sql(f"SELECT id FROM {table} LIMIT 1")
        missing = "00000000-0000-4000-8000-000000000000" if "-" in str(there) else "999999999"
        for page in ("change", "history", "delete"):
            here, nowhere = (
                answer_to(opened(world, session, f"/admin/{model}/{one}/{page}/"), str(one))
                for one in (there, missing)
            )
            if here != nowhere or here[0] == 200:
                told.append(f"{model} {page}: {here}, {nowhere}")
    assert told == []


def answer_to(answer: requests.Response, asked: str) -> tuple[int, str]:
    """The status and where it leads, without what was asked for."""
    return answer.status_code, answer.headers.get("Location", "").replace(asked, "…")
