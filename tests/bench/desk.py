"""The desk at 200,000 indicators, cases and audit events, against the same pages with nothing or almost nothing."""

import re
import time
from collections.abc import Mapping
from html import unescape
from statistics import median
from urllib.parse import parse_qsl, urlencode, urlsplit

import psycopg
import requests

from tests.bench import crowd, growth, material
from tests.bench.bench import say
from tests.bench.table import Row, at_most
from tests.desk import desk_session
from tests.world import World

MANY = 200_000
LARGEST_RATIO = 3.0
LONGEST = 300
"""Milliseconds; noisy machines make it a hint, the ratio is what counts."""
_ROUNDS = 5
_ROUNDS_OF_VARIANTS = 2
_LINK = re.compile(r'href="(/admin/[^"#?]*)"')
_PIECE = re.compile(r'hx-get="(/admin/[^"#?]*)"')
_OWN_LINK = re.compile(r'href="(\?[^"#]*)"')
_NOT_LISTS = re.compile(r"logout|password|account|csp-report|jsi18n|/add/")
_SEARCHES = {
    "everything": "kind=indicator",
    "word": "q=collection",
    "word of a kind": "q=collection&kind=indicators",
    "two words": "q=word7+word14",
    "rare word": "q=zebra",
    "address": "q=100.64.1.4",
    "network": "q=100.64.0.0/16",
    "domain": "q=h1.example",
    "value": "q=https://h1.example/v1/2",
    "id": "q=indicator--00000000-0000-4000-8000-000000000000",
    "pattern": "q=%5Bipv4-addr:value+=+'100.64.1.4'%5D",
    "state": "kind=indicators&state=review",
    "word in a state": "q=network&kind=indicators&state=standing",
}


def run(quick: bool) -> list[Row]:
    many = 5_000 if quick else MANY
    with World.start() as world:
        return measured(world, many)


def measured(world: World, many: int) -> list[Row]:
    """The rows of a World that has nothing in it yet."""
    session = desk_session(world, "hub-admin")
    lists = {path: path for path in _lists(world, session)}
    lists |= {f"search: {name}": f"/admin/search/?{query}" for name, query in _SEARCHES.items()}
    say(f"desk: {len(lists)} pages with nothing in them")
    before = {name: _milliseconds(world, session, path) for name, path in lists.items()}
    things = _things(world)
    before |= {name: _milliseconds(world, session, path) for name, path in things.items()}
    with psycopg.connect(world.database_url, autocommit=True) as database:
        growth.know(database, many)
        crowd.gather(database, many)
    world.manage("shell", "--command", _COUNT)
    say(f"desk: the same pages at {many:,}")
    pages = {name: (path, name) for name, path in (lists | things).items()}
    for path in lists.values():
        if path.endswith("/"):
            pages |= {f"{path}{query}": (path + query, path) for query in _variants(world, session, path)}
    after = {
        name: _milliseconds(world, session, path, _ROUNDS if name == like else _ROUNDS_OF_VARIANTS)
        for name, (path, like) in pages.items()
    }
    return _rows(before, after, {name: like for name, (_, like) in pages.items()}, many)


def _rows(
    before: Mapping[str, float], after: Mapping[str, float], like: Mapping[str, str], many: int
) -> list[Row]:
    ratios = {name: after[name] / before[like[name]] for name in after if like[name] in before}
    for name in sorted(ratios, key=lambda one: ratios[one], reverse=True):
        print(f"  {name[:90]:90} {before[like[name]]:7.0f} ms {after[name]:7.0f} ms  x {ratios[name]:.2f}")
    slowest, worst = max(after, key=lambda one: after[one]), max(ratios, key=lambda one: ratios[one])
    return [
        at_most("desk", f"slowest page at {many:,}, ms", after[slowest], LONGEST, slowest),
        at_most("desk", f"page at {many:,} / empty, worst", ratios[worst], LARGEST_RATIO, worst),
    ]


def _lists(world: World, session: requests.Session) -> list[str]:
    """Every page that the sidebar leads to, and the pieces that the home page fetches."""
    page = session.get(f"{world.url}/admin/", timeout=60).text
    pages = {path for path in _LINK.findall(page) if not _NOT_LISTS.search(path)}
    return sorted(pages | set(_PIECE.findall(page)))


def _variants(world: World, session: requests.Session, path: str) -> list[str]:
    """The queries that a page leads to on its own path: one for each filter, order and following page."""
    page = session.get(world.url + path, timeout=120).text
    found: dict[tuple[str, ...], str] = {}
    for link in _OWN_LINK.findall(page):
        pairs = parse_qsl(urlsplit(unescape(link)).query, keep_blank_values=True)
        values = tuple(f"{name}={value}" if name == "o" else name for name, value in pairs)
        if pairs:
            found.setdefault(values, f"?{urlencode(pairs)}")
    return list(found.values())


def _milliseconds(world: World, session: requests.Session, path: str, rounds: int = _ROUNDS) -> float:
    found = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        answer = session.get(world.url + path, timeout=120)
        found.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, (path, answer.status_code)
    return median(found[1:])  # the first warms up


def _things(world: World) -> dict[str, str]:
    """Pages of single things among almost nothing: of what is sent here, and what is about it."""
    objects = material.objects(200, 77_000_000_000)
    campaign = crowd.campaign()
    indicators = [one for one in objects if one["type"] == "indicator"]
    links = [crowd.of_campaign(one, campaign) for one in indicators[:20]]
    for community in ("allies", "careful"):
        world.submit("lab-a", [*objects, campaign, *links], community=community)
    (campaign_id, indicator_id, review_id, submission_id) = world.sql(
        "SELECT (SELECT min(id) FROM indicators_subject WHERE object_type = 'campaign'),"
        " (SELECT min(id) FROM indicators_subject WHERE object_type = 'indicator'),"
        " (SELECT min(id) FROM sharing_review WHERE state = 'pending' AND object_type = 'indicator'),"
        " (SELECT min(id::text) FROM indicators_submission)"
    )[0]
    return {
        "a campaign": f"/admin/campaigns/{campaign_id}/",
        "its graph": f"/admin/graph/s{campaign_id}/",
        "its neighbours": f"/admin/graph/s{campaign_id}/neighbours/",
        "an indicator": f"/admin/indicators/subject/{indicator_id}/change/",
        "its graph, an indicator's": f"/admin/graph/s{indicator_id}/",
        "a case": f"/admin/sharing/review/{review_id}/change/",
        "a submission": f"/admin/indicators/submission/{submission_id}/change/",
    }


_COUNT = """
from django.utils import timezone
from sharing.actions.tallies import count
while count(now=timezone.now()): pass
"""
