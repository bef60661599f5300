"""Rows by the hundred thousand in what the desk shows, beside the indicators of `growth`: cases, events, receipts, …"""

import uuid
from typing import Any

import psycopg

from tests.bench.bench import say

_PER_SUBMISSION = 500


def campaign() -> dict[str, Any]:
    """A campaign for indicators to be of."""
    return _object("campaign") | {
        "name": "Harvest of reasoning steps",
        "description": "Of very many accounts.",
    }


def of_campaign(indicator: dict[str, Any], campaign: dict[str, Any]) -> dict[str, Any]:
    """The relationship between the two."""
    return _object("relationship") | {
        "relationship_type": "indicates",
        "source_ref": indicator["id"],
        "target_ref": campaign["id"],
    }


def _object(kind: str) -> dict[str, Any]:
    return {
        "type": kind,
        "spec_version": "2.1",
        "id": f"{kind}--{uuid.uuid4()}",
        "created": "2026-03-01T00:00:00.000Z",
        "modified": "2026-03-01T00:00:00.000Z",
    }


def gather(database: psycopg.Connection, many: int) -> None:
    """For each indicator a case, and as much of all else as would come with so many."""
    say(f"adding {many:,} cases and audit events, and what comes with them")
    for statement in _STATEMENTS:
        database.execute(
            statement.encode(),
            {"count": many, "some": many // 20, "submissions": many // _PER_SUBMISSION},
        )
    database.execute(b"VACUUM (ANALYZE)")


_STATEMENTS = (
    # Of what waits: each with what its audience would see.
    """
    INSERT INTO sharing_review (release_id, community_id, state, sources, opened_at, decision_reason, ceiling,
        object_type, title, organizations, reason, confidence, blast_radius, blast_limit)
    SELECT id, community_id, 'pending', 1, now() - random() * interval '30 days', '', ceiling,
        'indicator', '[url:value = ''https://' || md5(id::text) || '.example/v1'']', organizations,
        (ARRAY['rule-none', 'below-rule', 'blast-radius'])[1 + id %% 3], (id * 13 %% 100)::int2, id * 17 %% 20000, 10000
    FROM (
        SELECT r.id, s.community_id, r.ceiling, (SELECT array_agg(c.organization_id) FROM indicators_claim c
            WHERE c.subject_id = s.id) AS organizations
        FROM sharing_release r JOIN indicators_subject s ON s.id = r.subject_id
        WHERE s.object_type = 'indicator' AND r.ceiling = 1
            AND NOT EXISTS (SELECT FROM sharing_review v WHERE v.release_id = r.id)
        LIMIT %(count)s
    ) found
    """,
    """
    UPDATE sharing_release r SET decision = 'review' FROM sharing_review v
    WHERE v.release_id = r.id AND v.state = 'pending'
    """,
    # Of what was decided; the database takes no case that is approved from the start.
    "ALTER TABLE sharing_review DISABLE TRIGGER sharing_review_made",
    """
    INSERT INTO sharing_review (release_id, community_id, state, sources, opened_at, decision_reason, ceiling,
        object_type, title, organizations, reason, confidence, decided_at, decided_by_id)
    SELECT release_id, community_id, (ARRAY['approved', 'rejected'])[1 + id %% 2], 1, opened_at, 'It is known.',
        ceiling, object_type, title, organizations, reason, confidence, now() - random() * interval '20 days',
        (SELECT min(id) FROM accounts_member WHERE role = 'analyst')
    FROM sharing_review WHERE state = 'pending' ORDER BY id DESC LIMIT %(count)s / 4
    """,
    "ALTER TABLE sharing_review ENABLE TRIGGER sharing_review_made",
    # A twentieth of all indicators are of the first campaign.
    """
    CREATE UNLOGGED TABLE linked AS WITH sample AS (
        SELECT s.community_id, c.organization_id, c.submission_id, c.version, c.tlp, c.signature, c.body, c.received_at,
            c."references"[1] AS old_one, c."references" AS refs, c.object_id AS old_id,
            (SELECT x FROM unnest(c."references") x WHERE starts_with(x, 'indicator--')) AS old_indicator,
            (SELECT x FROM unnest(c."references") x WHERE starts_with(x, 'campaign--')) AS campaign
        FROM indicators_subject s JOIN indicators_claim c ON c.subject_id = s.id
        WHERE s.object_type = 'relationship' AND EXISTS
            (SELECT FROM unnest(c."references") x WHERE starts_with(x, 'campaign--')) ORDER BY s.id LIMIT 1
    ) SELECT sample.*, k.object_id AS indicator, 'relationship--' || gen_random_uuid() AS object_id FROM sample,
        (SELECT c.object_id FROM indicators_claim c JOIN indicators_subject s ON s.id = c.subject_id,
            sample a WHERE s.object_type = 'indicator' AND s.community_id = a.community_id
            ORDER BY s.id DESC LIMIT %(some)s) k
    """,
    """
    INSERT INTO indicators_subject (community_id, key, object_type)
    SELECT community_id, convert_to(object_id, 'UTF8'), 'relationship' FROM linked
    """,
    """
    INSERT INTO indicators_claim (community_id, organization_id, subject_id, submission_id, object_id, version, tlp,
        stated_tlp, "references", body, signature, first_received_at, received_at, revoked)
    SELECT l.community_id, organization_id, s.id, submission_id, l.object_id, version, tlp, tlp,
        array_replace(refs, old_indicator, indicator),
        convert_to(replace(replace(convert_from(body, 'UTF8'), old_id, l.object_id), old_indicator, indicator), 'UTF8'),
        signature, received_at, received_at, false
    FROM linked l JOIN indicators_subject s
        ON s.community_id = l.community_id AND s.key = convert_to(l.object_id, 'UTF8')
    """,
    """
    INSERT INTO indicators_reference (target, subject_id)
    SELECT t, s.id FROM linked l JOIN indicators_subject s ON s.community_id = l.community_id
        AND s.key = convert_to(l.object_id, 'UTF8') CROSS JOIN LATERAL (VALUES (l.indicator), (l.campaign)) AS v(t)
    """,
    "DROP TABLE linked",
    # What came in.
    """
    INSERT INTO indicators_submission (id, community_id, organization_id, token_id, channel, collection_id, format,
        body, body_sha256, object_count, state, attempts, starts, error, counts, received_at, ingested_at)
    SELECT gen_random_uuid(), community_id, organization_id, token_id, channel, collection_id, format, '',
        sha256(n::text::bytea), 500, (ARRAY['ingested', 'ingested', 'quarantined'])[1 + (n %% 20) / 9], 0, 0, '',
        counts, now() - n * interval '1 minute', now() - n * interval '1 minute'
    FROM (SELECT * FROM indicators_submission WHERE state = 'ingested' LIMIT 1) s, generate_series(1, %(some)s) n
    """,
    """
    INSERT INTO indicators_submittedobject (submission_id, ordinal, object_id, version, outcome, reason, sentence,
        place, note)
    SELECT s.id, n, 'indicator--' || gen_random_uuid(), '', 'new', 'accepted', 'Accepted.', '', ''
    FROM (SELECT id FROM indicators_submission WHERE body = '' LIMIT %(submissions)s) s, generate_series(1, 500) n
    """,
    """
    INSERT INTO indicators_upload (id, sent_by, channel, collection_id, name, format, size, sha256, part_count,
        object_count, is_draft, received_at, community_id, organization_id)
    SELECT gen_random_uuid(), 'member:lab-a-submitter', 'file', collection_id, 'findings-' || n, 'csv', 1000,
        sha256(n::text::bytea), 0, 10, false, now() - n * interval '3 minutes', community_id, organization_id
    FROM (SELECT * FROM indicators_submission LIMIT 1) s, generate_series(1, %(some)s) n
    """,
    """
    INSERT INTO indicators_detector (organization_id, analytic, version, name, method, tier, min_precision,
        min_decisions, limited_reason, registered_at, registered_by)
    SELECT o.id, 'analytic-' || n, '1', 'Analytic ' || n, '', 'review', 0.8, 20, '', now(), 'service:test'
    FROM (SELECT id FROM accounts_organization LIMIT 3) o, generate_series(1, 100) n
    """,
    """
    INSERT INTO indicators_finding (community_id, organization_id, uid, detector_id, object_id, created, version, state,
        submission_id, received_at)
    SELECT s.community_id, s.organization_id, 'finding-' || n, d.id + n %% 300, 'indicator--' || gen_random_uuid(), '',
        '', 'live', s.id, now() - n * interval '1 minute'
    FROM (SELECT * FROM indicators_submission LIMIT 1) s, (SELECT min(id) AS id FROM indicators_detector) d,
        generate_series(1, %(some)s) n
    """,
    """
    INSERT INTO indicators_likeness (community_id, first_id, second_id, similarity, state, found_at, reason)
    SELECT community_id, first, second, 0.6 + random() * 0.4, 'pending', now() - random() * interval '30 days', ''
    FROM (SELECT community_id, id AS second, lag(id) OVER (PARTITION BY community_id ORDER BY id) AS first
        FROM indicators_subject WHERE object_type = 'indicator' LIMIT %(some)s) two WHERE first IS NOT NULL
    """,
    """
    INSERT INTO indicators_merge (community_id, kind, survivor_id, other_id, reason, made_at, made_by, undone_at,
        undone_by, undo_reason)
    SELECT community_id, 'analyst', first, second, 'The same.', now() - random() * interval '30 days',
        'member:analyst', now(), 'member:analyst', 'Not the same.'
    FROM (SELECT community_id, id AS second, lag(id) OVER (PARTITION BY community_id ORDER BY id) AS first
        FROM indicators_subject WHERE object_type = 'indicator' LIMIT %(some)s) two WHERE first IS NOT NULL
    """,
    """
    INSERT INTO indicators_allowlistentry (allowlist_id, domain, subdomains, note)
    SELECT (SELECT min(id) FROM indicators_allowlist), 'd' || n || '.example', true, ''
    FROM generate_series(1, %(some)s) n
    """,
    """
    INSERT INTO indicators_draft (id, object_type, object_id, body, leftover, techniques, reason, state, version, page,
        created_at, saved_at, author_id, community_id, organization_id, saved_by_id)
    SELECT gen_random_uuid(), 'indicator', 'indicator--' || gen_random_uuid(), '{"type": "indicator", "name": "D"}',
        '{}', '{}', '', 'draft', 1, '', now(), now() - n * interval '1 minute', m.id, s.community_id,
        m.organization_id, m.id
    FROM (SELECT * FROM accounts_member WHERE username = 'hub-admin') m,
        (SELECT id AS community_id FROM accounts_community WHERE slug = 'frontier') s, generate_series(1, 2000) n
    """,
    # Who is told.
    """
    INSERT INTO sharing_webhook (id, url, what, state, internal, failures, next_at, created_at, created_by,
        organization_id)
    SELECT gen_random_uuid(), 'https://hooks.example/' || n, '{receipts}', 'paused', false, 0, now(), now(),
        'service:test', o.id
    FROM (SELECT id FROM accounts_organization) o, generate_series(1, 20) n
    """,
    """
    INSERT INTO sharing_delivery (id, kind, body, signature, state, attempts, next_at, created_at, delivered_at,
        last_status, last_error, submission_id, webhook_id)
    SELECT gen_random_uuid(), 'receipt.ingested', '', '', 'delivered', 1, s.received_at, s.received_at, s.received_at,
        200, '', s.id, w.id
    FROM indicators_submission s, (SELECT id FROM sharing_webhook LIMIT 4) w WHERE s.body = ''
    """,
    """
    INSERT INTO accounts_notice (organization_id, kind, target, sentence, detail, told_at)
    SELECT o.id, 'detector.limited', 'detector:1', 'It was limited.', '{}', now() - n * interval '1 minute'
    FROM (SELECT id FROM accounts_organization WHERE sector = 'operator') o, generate_series(1, %(some)s) n
    """,
    """
    INSERT INTO sharing_silence (organization_id, community_id, channel, last_received_at, noticed_at, ended_at)
    SELECT organization_id, community_id, channel, now(), now() - n * interval '1 minute', now()
    FROM (SELECT * FROM indicators_submission LIMIT 1) s, generate_series(1, %(some)s) n
    """,
    # Who reads, and who may come in.
    """
    INSERT INTO accounts_token (id, name, digest, scopes, created_at, organization_id)
    SELECT gen_random_uuid(), 'reader-' || n, sha256(('t' || n || o.id)::bytea), '{feed:read}', now(), o.id
    FROM accounts_organization o, generate_series(1, 8) n
    """,
    """
    INSERT INTO sharing_poll (token_id, collection_id, added, at_head, objects_given, polled_at)
    SELECT t.id, k.id, k.last_added / 2, false, 1000, now() - interval '1 hour'
    FROM accounts_token t JOIN sharing_collectiongrant g ON g.organization_id = t.organization_id AND g.can_read
    JOIN sharing_collection k ON k.id = g.collection_id AND k.kind = 'feed' ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO accounts_member (username, password, email, first_name, last_name, role, organization_id, is_active,
        is_staff, is_superuser, date_joined)
    SELECT 'member-' || n, '!', 'member-' || n || '@example.com', '', '', 'reader', o.id, true, true, false, now()
    FROM (SELECT id FROM accounts_organization LIMIT 1) o, generate_series(1, 2000) n
    """,
    """
    INSERT INTO sharing_dailycount (day, measure, scope, key, count)
    SELECT current_date - 1 - d, m, k.id, x::text, d FROM generate_series(1, 89) d, (VALUES ('released'), ('technique'),
        ('objects'), ('submissions')) AS v(m), (SELECT id FROM sharing_collection WHERE kind = 'feed'
        UNION ALL SELECT id FROM accounts_community) k, generate_series(1, 20) x
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO accounts_auditevent (at, actor, organization_id, action, target, detail)
    SELECT now() - n * interval '1 second',
        CASE WHEN n %% 10 = 0 THEN 'member:analyst' ELSE 'token:' || md5((n %% 50)::text)::uuid END, o.id,
        (ARRAY['submission.receive', 'review.approve', 'token.issue'])[1 + n %% 20 / 9],
        'submission:' || gen_random_uuid(), '{"objects": 500}'
    FROM (SELECT id FROM accounts_organization LIMIT 1) o, generate_series(1, %(count)s) n
    """,
    """
    INSERT INTO accounts_auditlink (position, event_id, digest)
    SELECT h.position + row_number() OVER (ORDER BY e.id), e.id, sha256(e.id::text::bytea)
    FROM accounts_auditevent e, (SELECT coalesce(max(position), 0) AS position FROM accounts_auditlink) h
    WHERE NOT EXISTS (SELECT FROM accounts_auditpending p WHERE p.event_id = e.id)
        AND NOT EXISTS (SELECT FROM accounts_auditlink l WHERE l.event_id = e.id)
    """,
)
