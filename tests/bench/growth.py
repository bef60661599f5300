"""Ingest among 5,000 and among 500,000 known indicators: merging looks each one up, so it must not slow down."""

import itertools
import statistics

import psycopg

from tests.bench import ingest, logs
from tests.bench.bench import Bench, say
from tests.bench.table import Row, at_least

FEW = 5_000
MANY = 500_000
_SEED = 9_000_000_000


def run(bench: Bench) -> list[Row]:
    many = 20_000 if bench.quick else MANY
    envelopes = 2 if bench.quick else 10
    seeds = itertools.count(_SEED)
    rates = {}
    with psycopg.connect(bench.world.database_url, autocommit=True) as database:
        ingest.measure(bench, database, 1, next(seeds))  # Begins the feeds and warms the workers up.
        for known in (FEW, many):
            know(database, known)
            say(f"ingest: {envelopes * ingest.PER_ENVELOPE:,} objects among {known:,} known indicators")
            rates[known] = statistics.median(
                ingest.measure(bench, database, envelopes, next(seeds)) for _ in range(bench.rounds)
            )
    return [
        at_least(
            "ingest",
            f"among {many:,} / {FEW:,} known indicators",
            rates[many] / rates[FEW],
            0.8,
            f"{rates[many]:,.0f}/s of {rates[FEW]:,.0f}/s",
        )
    ]


def know(database: psycopg.Connection, count: int) -> None:
    """Copy an indicator that stands in both feeds, with all its rows, until there are so many."""
    (sample, held) = database.execute(
        "SELECT min(subject_id), count(DISTINCT subject_id) FROM sharing_release r"
        " JOIN indicators_subject s ON s.id = r.subject_id"
        " WHERE s.object_type = 'indicator' AND r.digest IS NOT NULL"
    ).fetchone() or (0, 0)
    if held >= count:
        return
    say(f"adding {count - held:,} known indicators")
    for statement in (_SUBJECTS, _CLAIMS, *_FOUND_BY, _RELEASES, _ENTRIES, _HEADS):
        database.execute(statement.encode(), {"sample": sample, "count": count - held})
    for (feed,) in database.execute(b"SELECT id FROM sharing_collection WHERE kind = 'feed'").fetchall():
        logs.catch_up(database, feed)
    database.execute(b"DROP TABLE known")
    # What autovacuum would do within minutes.
    for table in (
        *("indicators_subject", "indicators_claim", "indicators_observable", "indicators_term"),
        *("indicators_wording", "sharing_release", "sharing_entry"),
    ):
        database.execute(f"VACUUM (ANALYZE) {table}".encode())


_SUBJECTS = """
CREATE UNLOGGED TABLE known AS WITH made AS (
    INSERT INTO indicators_subject (community_id, key, object_type)
    SELECT community_id, sha256(convert_to(gen_random_uuid()::text, 'UTF8')), object_type
    FROM indicators_subject, generate_series(1, %(count)s) WHERE id = %(sample)s RETURNING id
) SELECT id, row_number() OVER () AS n, 'indicator--' || gen_random_uuid() AS object_id FROM made
"""
_CLAIMS = """
INSERT INTO indicators_claim (community_id, organization_id, subject_id, submission_id, object_id, version, tlp,
    stated_tlp, "references", body, signature, first_received_at, received_at, revoked)
SELECT community_id, organization_id, k.id, submission_id, k.object_id, version, tlp, stated_tlp, "references", body,
    signature, first_received_at, received_at, revoked
FROM indicators_claim c, known k WHERE c.subject_id = %(sample)s
"""
# Each watches something else: an address, a domain, or a value that is found by its digest.
_FOUND_BY = (
    """
    INSERT INTO indicators_observable (subject_id, network)
    SELECT id, set_masklen('100.64.0.0'::inet + n, 32)::cidr FROM known WHERE n %% 4 = 0
    """,
    """
    INSERT INTO indicators_observable (subject_id, domain)
    SELECT id, 'h' || left(md5(id::text), 16) || '.example' FROM known WHERE n %% 4 = 1
    """,
    """
    INSERT INTO indicators_term (digest, subject_id)
    SELECT hashtextextended(id::text, 0), id FROM known WHERE n %% 4 > 1
    """,
    """
    INSERT INTO indicators_wording (subject_id, words)
    SELECT id, array_to_tsvector(array_cat(ARRAY['=indicator', 'collection', 'network', left(md5(id::text), 6)],
        ARRAY(SELECT DISTINCT 'word' || (n * k %% 997) FROM generate_series(1, 12) k))) FROM known
    """,
)
_RELEASES = """
INSERT INTO sharing_release (subject_id, ceiling, published_id, decision, reason, sentence, digest, created, modified,
    revoked, sources, confidence, missing, due_at, expires_at)
SELECT k.id, ceiling, 'indicator--' || gen_random_uuid(), decision, reason, sentence, digest, created, modified,
    revoked, sources, (n * 7 %% 100)::int2, missing, now() + n %% 5000 * interval '1 hour',
    now() + n %% 7000 * interval '1 hour'
FROM sharing_release r, known k WHERE r.subject_id = %(sample)s
"""
_ENTRIES = """
INSERT INTO sharing_entry (collection_id, index, added, object_id, object_type, spec_version, version, version_key, tlp,
    organization_id, body, opening, commitment, subsalt, submitter, is_first, is_last)
SELECT e.collection_id, c.next_index + k.n - 1, c.last_added + k.n, 'indicator--' || gen_random_uuid(), e.object_type,
    e.spec_version, e.version, e.version_key, e.tlp, e.organization_id, e.body, e.opening, e.commitment, e.subsalt,
    e.submitter, e.is_first, e.is_last
FROM known k, sharing_release r JOIN sharing_entry e ON e.object_id = r.published_id AND e.is_last
JOIN sharing_collection c ON c.id = e.collection_id AND c.kind = 'feed'
WHERE r.subject_id = %(sample)s
"""
_HEADS = """
UPDATE sharing_collection c SET last_added = (last_added + %(count)s + 999) / 1000 * 1000
WHERE EXISTS (SELECT FROM sharing_release r JOIN sharing_entry e ON e.object_id = r.published_id AND e.is_last
    WHERE r.subject_id = %(sample)s AND e.collection_id = c.id AND c.kind = 'feed')
"""
