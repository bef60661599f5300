"""The desk's lists at 200,000 indicators, cases and submissions, against the same lists with nothing in them."""

import re
import time
from statistics import median

import psycopg
import requests

from tests.bench import growth, material
from tests.bench.bench import say
from tests.bench.table import Row, at_most
from tests.desk import desk_session
from tests.world import World

MANY = 200_000
LARGEST_RATIO = 3.0
LONGEST = 300
"""Milliseconds; noisy machines make it a hint, the ratio is what counts."""
_ROUNDS = 5
_PER_SUBMISSION = 500
_LINK = re.compile(r'href="(/admin/[^"#?]*)"')
_NOT_LISTS = re.compile(r"logout|password|account|csp-report|jsi18n|/add/")


def run(quick: bool) -> list[Row]:
    many = 5_000 if quick else MANY
    with World.start() as world:
        session = desk_session(world, "hub-admin")
        paths = _lists(world, session)
        say(f"desk: {len(paths)} pages with nothing in them")
        empty = {path: _milliseconds(world, session, path) for path in paths}
        _fill(world, many)
        say(f"desk: the same pages at {many:,}")
        full = {path: _milliseconds(world, session, path) for path in paths}
    ratios = {path: full[path] / empty[path] for path in paths}
    for path in sorted(paths, key=lambda one: ratios[one], reverse=True):
        print(f"  {path:58} {empty[path]:7.0f} ms {full[path]:7.0f} ms  x {ratios[path]:.2f}")
    slowest = max(paths, key=lambda one: full[one])
    worst = max(paths, key=lambda one: ratios[one])
    return [
        at_most("desk", f"slowest list at {many:,}, ms", full[slowest], LONGEST, slowest),
        at_most("desk", f"list at {many:,} / empty, worst", ratios[worst], LARGEST_RATIO, worst),
    ]


def _lists(world: World, session: requests.Session) -> list[str]:
    """Every page that the sidebar leads to."""
    page = session.get(f"{world.url}/admin/", timeout=60).text
    return sorted({path for path in _LINK.findall(page) if not _NOT_LISTS.search(path)})


def _milliseconds(world: World, session: requests.Session, path: str) -> float:
    found = []
    for _ in range(_ROUNDS + 1):
        began = time.perf_counter()
        answer = session.get(world.url + path, timeout=120)
        found.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, (path, answer.status_code)
    return median(found[1:])  # the first warms up


def _fill(world: World, many: int) -> None:
    """Indicators with everything around them, a pending case for each, and as much of what came in."""
    objects = material.objects(200, 77_000_000_000)
    for community in ("allies", "careful"):
        world.submit("lab-a", objects, community=community)
    with psycopg.connect(world.database_url, autocommit=True) as database:
        growth.know(database, many)
        say(f"adding {many:,} cases and {many // _PER_SUBMISSION:,} submissions")
        for statement in (_CASES, _SUBMISSIONS, _OBJECTS, _EVENTS):
            database.execute(statement.encode(), {"count": many, "submissions": many // _PER_SUBMISSION})
        database.execute(b"VACUUM (ANALYZE)")


_CASES = """
INSERT INTO sharing_review (release_id, community_id, state, sources, opened_at, decision_reason)
SELECT r.id, s.community_id, 'pending', 1, now() - random() * interval '30 days', ''
FROM sharing_release r JOIN indicators_subject s ON s.id = r.subject_id
WHERE s.object_type = 'indicator' AND NOT EXISTS (SELECT FROM sharing_review v WHERE v.release_id = r.id)
LIMIT %(count)s
"""
_SUBMISSIONS = """
INSERT INTO indicators_submission (id, community_id, organization_id, channel, collection_id, format, body, body_sha256,
    object_count, state, attempts, starts, error, counts, received_at, ingested_at)
SELECT gen_random_uuid(), community_id, organization_id, channel, collection_id, format, '', sha256(n::text::bytea),
    500, 'ingested', 0, 0, '', counts, now() - n * interval '1 minute', now() - n * interval '1 minute'
FROM (SELECT * FROM indicators_submission WHERE state = 'ingested' LIMIT 1) s, generate_series(1, %(submissions)s) n
"""
_OBJECTS = """
INSERT INTO indicators_submittedobject (submission_id, ordinal, object_id, version, outcome, reason, sentence, place,
    note)
SELECT s.id, n, 'indicator--' || gen_random_uuid(), '', 'new', 'accepted', 'Accepted.', '', ''
FROM indicators_submission s, generate_series(1, 500) n WHERE s.body = ''
"""
_EVENTS = """
INSERT INTO accounts_auditevent (at, actor, organization_id, action, target, detail)
SELECT now() - n * interval '1 second', 'token:' || gen_random_uuid(), o.id, 'submission.receive',
    'submission:' || gen_random_uuid(), '{}'
FROM (SELECT id FROM accounts_organization LIMIT 1) o, generate_series(1, %(count)s) n
"""
