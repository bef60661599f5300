"""Link audit events into the chain: one batch, one at a time, after they were written."""

import structlog
from django.db import transaction

from accounts import sql
from accounts.chain import EVENT, Event, Head, digest_after
from accounts.trail import head

log = structlog.get_logger(__name__)

BATCH = 2000


@transaction.atomic
def link(*, most: int = BATCH) -> int:
    """Give the oldest events that have no place yet the next ones; how many, 0 when none is left."""
    sql.lock("audit.chain")
    # Only what is queued, so that an event that was put into the table by hand is seen to be none of ours.
    events = [
        Event(*found)
        for found in sql.rows(
            f"SELECT {EVENT} FROM accounts_auditpending p JOIN accounts_auditevent e ON e.id = p.event_id"
            " ORDER BY e.id LIMIT %s",
            (most,),
        )
    ]
    if not events:
        return 0
    before = head()
    position, digest = before.position, before.digest
    links: list[tuple[object, ...]] = []
    for event in events:
        position, digest = position + 1, digest_after(digest, event)
        links.append((position, event.id, digest))
    sql.copy("accounts_auditlink", ("position", "event_id", "digest"), ("int8", "int8", "bytea"), links)
    sql.execute("DELETE FROM accounts_auditpending WHERE event_id = ANY(%s)", ([one.id for one in events],))
    return len(events)


def tell_head() -> Head:
    """Log the head, so that it is kept where this database's administrators cannot change it."""
    found = head()
    log.info("audit_head", position=found.position, digest=found.digest.hex())
    return found
