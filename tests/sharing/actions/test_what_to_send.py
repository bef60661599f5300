"""The examples of docs/what-to-send.md, sent as a partner sends them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest

from indicators.stix.canonical import canonical
from sharing.models import Kind
from tests.sharing.actions.conftest import Shop
from tests.sharing.actions.exchange import latest, send

PAGE = (Path(__file__).parents[3] / "docs" / "what-to-send.md").read_text(encoding="utf-8")
SECTIONS = {
    text.partition("\n")[0]: re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for text in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
}
CONTRIBUTING = {
    "autonomous-system": ("number",),
    "blinded-identifier": ("subject", "scheme", "key_id", "value"),
    "domain-name": ("value",),
    "ipv4-addr": ("value",),
    "llm-api-activity": ("provider", "cluster_id", "start", "end"),
    "prompt-template": ("hashes", "normalization"),
    "software": ("name", "cpe", "swid", "vendor", "version"),
}
STIX_NAMESPACE = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")


def objects_of(section: str) -> list[dict[str, Any]]:
    (block,) = SECTIONS[section]
    objects: list[dict[str, Any]] = json.loads(block)["objects"]
    return objects


def everything(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key and value, at any depth."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key, item
            yield from everything(item)
    elif isinstance(value, list):
        for item in value:
            yield from everything(item)


def test_there_is_an_example_of_each_kind_of_observation() -> None:
    assert len(SECTIONS) == 12


@pytest.mark.parametrize("section", SECTIONS)
def test_an_example_sent_alone_is_taken_whole_and_released(shop: Shop, section: str) -> None:
    feed = shop.collection(Kind.FEED, ceiling=3)
    sent = objects_of(section)

    lines = send(shop, sent).lines

    expected = ("withheld", "withdrawn") if sent[0].get("revoked") else ("released", "rule-all")
    assert {(line.outcome, line.reason) for line in lines} == {expected}
    assert [line.id for line in lines] == [one["id"] for one in sent]
    if not sent[0].get("revoked"):
        assert {line.published_id for line in lines} <= latest(feed).keys()


def test_the_examples_sent_one_after_another_tell_one_story(shop: Shop) -> None:
    feed = shop.collection(Kind.FEED, ceiling=3)

    reasons = {
        section: {(line.outcome, line.reason) for line in send(shop, objects_of(section)).lines}
        for section in SECTIONS
    }

    assert reasons.pop("Taken back") == {("released", "withdrawn")}
    assert {pair for pairs in reasons.values() for pair in pairs} <= {
        ("released", "rule-all"),
        ("duplicate", "duplicate"),
    }
    (campaign,) = [one for one in latest(feed).values() if one.get("name") == "Cluster C-17"]
    (context,) = campaign["extensions"].values()
    assert (context["status_at_detection"], context["status"]) == ("active", "disrupted")


@pytest.mark.parametrize("section", SECTIONS)
def test_the_ids_of_observables_are_made_from_what_they_say(section: str) -> None:
    for one in objects_of(section):
        if "created" in one:
            assert UUID(one["id"].partition("--")[2]).version == 4
            continue
        said = {name: one[name] for name in CONTRIBUTING[one["type"]] if name in one}
        if "hashes" in said:
            said["hashes"] = {"SHA-256": said["hashes"]["SHA-256"]}
        made = uuid5(STIX_NAMESPACE, canonical(said).decode())
        assert one["id"] == f"{one['type']}--{made}"


@pytest.mark.parametrize("section", SECTIONS)
def test_no_example_holds_what_is_personal(section: str) -> None:
    for one in objects_of(section):
        assert one["type"] not in {"email-addr", "user-account"}
        assert "@" not in json.dumps(one)
        assert not {"template", "account_login", "user_id"} & {key for key, _ in everything(one)}
