"""Steps that the stories share: what partners submit, and how they look for it."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import requests
import taxii2client.v21 as taxii2

from indicators.stix.markings import TLP, marking_id
from tests.conformance import stix
from tests.conformance.stix import Object
from tests.world import TAXII, World

CLEAR, GREEN, AMBER, STRICT, RED = (marking_id(level) for level in TLP)
STILLWATCH = Path(sys.executable).with_name("stillwatch")


def marked(one: Object, *markings: str) -> Object:
    """A copy of an object under these markings."""
    return one | {"object_marking_refs": list(markings)}


def indicator(domain: str, tlp: str = GREEN, **members: Any) -> Object:
    """An indicator of one domain, as a partner who is rather sure sends it."""
    pattern = members.pop("pattern", f"[domain-name:value = '{domain}']")
    return stix.indicator(pattern=pattern, confidence=85, object_marking_refs=[tlp], **members)


def newer(one: Object, **members: Any) -> Object:
    """The next version of an object."""
    day = int(one["modified"][8:10]) + 1
    return one | {"modified": f"{one['modified'][:8]}{day:02}{one['modified'][10:]}"} | members


def versions_in(
    world: World, organization: str, alias: str, domain: str, *, community: str | None = None
) -> list[Object]:
    """Every version of the indicators of a domain in a collection, oldest first."""
    found = world.objects(
        organization, alias, community=community, query="match[type]=indicator&match[version]=all"
    )
    return [one for one in found if domain in one["pattern"]]


def indicator_in(
    world: World, organization: str, alias: str, domain: str, *, community: str | None = None
) -> Object:
    """The one indicator of a domain that a reader of the collection sees now."""
    found = world.objects(organization, alias, community=community, query="match[type]=indicator")
    (one,) = [each for each in found if domain in each["pattern"]]
    return one


def by_id(objects: Iterable[Object]) -> dict[str, Object]:
    """Objects by id; each stands once."""
    found: dict[str, Object] = {}
    for one in objects:
        assert one["id"] not in found, f"twice: {one['id']}"
        found[one["id"]] = one
    return found


def references(value: Any) -> Iterator[str]:
    """Everything that an object refers to, by any `_ref` or `_refs` at any depth (clients.md 18)."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name.endswith("_ref") and isinstance(item, str):
                yield item
            elif name.endswith("_refs") and isinstance(item, list):
                yield from (one for one in item if isinstance(one, str))
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def raw_page(
    world: World, organization: str, alias: str, query: str = "", community: str | None = None
) -> bytes:
    """The bytes of a page as they are served."""
    answer = requests.get(
        f"{world.root(community)}collections/{alias}/objects/?{query}",
        headers=world.token(organization).bearer,
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    return answer.content


def delete(
    world: World, organization: str, object_id: str, *, of: str = "inbox", community: str | None = None
) -> None:
    """DELETE an object from a collection of one's own, and wait until the feeds have followed."""
    answer = requests.delete(
        f"{world.root(community)}collections/{of}/objects/{object_id}/",
        headers=world.token(organization).bearer,
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    world.settle()


def taxii_collection(
    world: World, organization: str, alias: str, community: str | None = None, token: str = "ro"
) -> taxii2.Collection:
    """A collection as an unmodified taxii2-client finds it: discovery, API root, collections."""
    credentials = world.token(organization, token)
    server = taxii2.Server(f"{world.url}/taxii2/", user=credentials.id, password=credentials.secret)
    (root,) = [one for one in server.api_roots if one.url == world.root(community)]
    wanted = world.collection(alias, community, organization)
    (found,) = [one for one in root.collections if one.id == wanted]
    return found


def jwks(world: World) -> Path:
    """The publisher's keys, as a consumer downloads them."""
    file = world.home / "jwks.json"
    file.write_bytes(requests.get(f"{world.url}/.well-known/jwks.json", timeout=30).content)
    return file


def verify(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `stillwatch verify …` as a consumer does."""
    return subprocess.run(
        [STILLWATCH, "verify", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


def same(sent: Any, served: Any) -> bool:
    """Value-equal (clients.md 15): 1 and 1.0 are one number, 1 and true are not, lists keep their order."""
    if isinstance(sent, dict):
        return (
            isinstance(served, dict)
            and sent.keys() == served.keys()
            and all(same(value, served[name]) for name, value in sent.items())
        )
    if isinstance(sent, list):
        return (
            isinstance(served, list)
            and len(sent) == len(served)
            and all(same(one, other) for one, other in zip(sent, served, strict=True))
        )
    return isinstance(sent, bool) == isinstance(served, bool) and bool(sent == served)


def post(
    world: World, organization: str, body: bytes, *, to: str = "inbox", community: str | None = None
) -> Any:
    """POST bytes as they are; the status resource of the 202."""
    answer = requests.post(
        f"{world.root(community)}collections/{to}/objects/",
        headers=world.token(organization).bearer | {"Content-Type": TAXII},
        data=body,
        timeout=60,
    )
    assert answer.status_code == 202, answer.text
    return answer.json()
