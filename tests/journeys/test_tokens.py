"""Tokens: scoped, expiring, revocable at once (clients.md 9)."""

import base64
import json

import pytest
import requests

from tests.conformance import stix
from tests.world import TAXII, World


@pytest.fixture(scope="module")
def guest(world: World) -> dict[str, dict[str, str]]:
    """An organisation of this module's own, in a community of its own: id and secret of each token."""
    return apply(world, ["rw", "spare", "stale"])


def apply(world: World, names: list[str]) -> dict[str, dict[str, str]]:
    scopes = {"rw": '[submit, "feed:read"]'}
    tokens = "".join(
        f"      - {{name: {name}, scopes: {scopes.get(name, '[feed:read]')}, expires_at: 2999-01-01T00:00:00Z}}\n"
        for name in names
    )
    file, out = world.home / "guest.yaml", world.home / "guest.json"
    file.write_text(
        f"organizations:\n  - slug: guest\n    name: Guest\n    sector: researcher\n    tokens:\n{tokens}"
        "communities:\n  - slug: lodge\n    title: The lodge\n    members: [guest]\n"
        "    collections:\n      - {alias: green, title: Green feed, kind: feed, ceiling: green}\n"
    )
    world.manage("apply_community", str(file), "--tokens-out", str(out))
    secrets: dict[str, dict[str, str]] = json.loads(out.read_text())
    return {name: secrets[f"guest/{name}"] for name in names}


def status_with(world: World, authorization: str, path: str = "/taxii2/lodge/collections/") -> int:
    return requests.get(
        world.url + path, headers={"Authorization": authorization, "Accept": TAXII}, timeout=30
    ).status_code


def test_every_scheme_is_taken_in_any_case(world: World, guest: dict[str, dict[str, str]]) -> None:
    token = guest["rw"]
    pair = base64.b64encode(f"{token['id']}:{token['secret']}".encode()).decode()

    statuses = {
        scheme: status_with(world, f"{scheme} {pair if scheme.lower() == 'basic' else token['secret']}")
        for scheme in ("Basic", "basic", "Bearer", "BEARER", "Token", "token")
    }

    assert set(statuses.values()) == {200}


@pytest.mark.parametrize("change", ["another id", "another secret", "a cut secret", "no scheme", "nothing"])
def test_anything_else_is_refused_with_a_challenge(
    world: World, guest: dict[str, dict[str, str]], change: str
) -> None:
    token, other = guest["rw"], guest["spare"]
    authorization = {
        "another id": "Basic " + base64.b64encode(f"{other['id']}:{token['secret']}".encode()).decode(),
        "another secret": "Bearer " + token["secret"][:-1] + ("0" if token["secret"][-1] != "0" else "1"),
        "a cut secret": "Bearer " + token["secret"][:20],
        "no scheme": token["secret"],
        "nothing": "",
    }[change]

    answer = requests.get(
        f"{world.url}/taxii2/", headers={"Authorization": authorization, "Accept": TAXII}, timeout=30
    )

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"]
    assert answer.headers["Content-Type"] == TAXII


def test_an_expired_token_is_refused(world: World, guest: dict[str, dict[str, str]]) -> None:
    bearer = f"Bearer {guest['stale']['secret']}"
    before = status_with(world, bearer)

    world.sql(
        "UPDATE accounts_token SET created_at = now() - interval '2 days', expires_at = now() - interval '1 s'"
        " WHERE id = %s",
        (guest["stale"]["id"],),
    )

    assert (before, status_with(world, bearer)) == (200, 401)


def test_a_token_that_is_removed_from_the_file_is_revoked_at_once(
    world: World, guest: dict[str, dict[str, str]]
) -> None:
    bearer = f"Bearer {guest['spare']['secret']}"
    before = status_with(world, bearer)

    apply(world, ["rw"])

    assert (before, status_with(world, bearer)) == (200, 401)
    assert status_with(world, f"Bearer {guest['rw']['secret']}") == 200
    ((action,),) = world.sql(
        "SELECT action FROM accounts_auditevent WHERE target = %s ORDER BY id DESC LIMIT 1",
        (f"token:{guest['spare']['id']}",),
    )
    assert action == "token.revoke"


@pytest.mark.parametrize(("token", "reads", "writes"), [("rw", 200, 202), ("ro", 200, 403), ("wo", 403, 202)])
def test_scopes_hold(world: World, token: str, reads: int, writes: int) -> None:
    headers = world.token("lab-a", token).bearer
    inbox = f"{world.root()}collections/inbox/objects/"

    read = requests.get(inbox, headers=headers, timeout=30)
    written = requests.post(
        inbox, headers=headers | {"Content-Type": TAXII}, data=json.dumps({"objects": []}), timeout=30
    )
    deleted = requests.delete(f"{inbox}{stix.campaign()['id']}/", headers=headers, timeout=30)

    assert (read.status_code, written.status_code) == (reads, writes)
    assert deleted.status_code in ({404} if token == "rw" else {403, 404})


def test_a_collection_says_what_this_token_may_do(world: World) -> None:
    """clients.md 10."""
    rights = {}
    for token in ("rw", "ro", "wo"):
        answer = requests.get(
            f"{world.root()}collections/inbox/", headers=world.token("lab-a", token).bearer, timeout=30
        )
        rights[token] = answer.json()["can_read"], answer.json()["can_write"]

    assert rights == {"rw": (True, True), "ro": (True, False), "wo": (False, True)}


def test_when_a_token_was_last_used_is_noted(world: World, guest: dict[str, dict[str, str]]) -> None:
    token = guest["rw"]
    world.sql("UPDATE accounts_token SET last_used_at = NULL WHERE id = %s", (token["id"],))

    status_with(world, f"Bearer {token['secret']}")

    ((fresh,),) = world.sql(
        "SELECT now() - last_used_at < interval '1 minute' FROM accounts_token WHERE id = %s", (token["id"],)
    )
    assert fresh


def test_no_secret_is_stored(world: World, guest: dict[str, dict[str, str]]) -> None:
    ((row,),) = world.sql("SELECT t::text FROM accounts_token t WHERE id = %s", (guest["rw"]["id"],))

    assert guest["rw"]["secret"] not in row
    assert "stw_" not in row
