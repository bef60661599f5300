"""What a monitoring system watches: queues and how old they are. Counts only, no names."""

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from accounts import sql
from indicators.actions import pressure


class _Tables(Collector):
    """Read from the tables at each scrape, so that every web worker tells the same."""

    def collect(self) -> Iterator[Metric]:
        submissions = GaugeMetricFamily("stillwatch_submissions", "Submissions by state", labels=["state"])
        for state, count in sql.rows("SELECT state, count(*) FROM indicators_submission GROUP BY state"):
            submissions.add_metric([state], count)
        yield submissions
        waiting = pressure.waiting()
        yield GaugeMetricFamily(
            "stillwatch_waiting_objects", "Objects that wait for ingest", value=waiting.objects
        )
        yield GaugeMetricFamily(
            "stillwatch_waiting_bytes", "Bytes of bodies that wait for ingest", value=waiting.bytes
        )
        yield GaugeMetricFamily(
            "stillwatch_high_water_ratio",
            "What waits, as a share of the high-water mark; above 1 nothing more is taken",
            value=waiting.above,
        )
        refusals = CounterMetricFamily(
            "stillwatch_refusals", "Requests that were told to come again later", labels=["reason"]
        )
        over_quota, turned_away = sql.row(_REFUSALS) or (0, 0)
        refusals.add_metric(["quota"], float(over_quota))
        refusals.add_metric(["high-water"], float(turned_away))
        yield refusals
        for name, meaning, query in _GAUGES:
            found = sql.row(query)
            yield GaugeMetricFamily(name, meaning, value=0 if found is None else float(found[0]))


_REFUSALS = (
    "SELECT coalesce(sum(over_quota), 0)::int8, coalesce(sum(turned_away), 0)::int8 FROM accounts_allowance"
)
_GAUGES = (
    (
        "stillwatch_oldest_waiting_submission_seconds",
        "Age of the oldest submission that is not ingested",
        (
            "SELECT coalesce(extract(epoch FROM now() - min(received_at)), 0)::float8 FROM indicators_submission"
            " WHERE state = 'received'"
        ),
    ),
    (
        "stillwatch_pending_folds",
        "Subjects whose published views may have to follow a change",
        "SELECT count(*) FROM indicators_pendingfold",
    ),
    (
        "stillwatch_pending_reviews",
        "Cases that wait for an analyst",
        "SELECT count(*) FROM sharing_review WHERE state = 'pending'",
    ),
    (
        "stillwatch_deliveries_pending",
        "Deliveries to webhooks that are due or will be tried again",
        "SELECT count(*) FROM sharing_delivery WHERE state = 'pending'",
    ),
    (
        "stillwatch_oldest_due_delivery_seconds",
        "Age of the oldest delivery to a webhook that could be sent now and is not",
        (
            "SELECT coalesce(extract(epoch FROM now() - min(d.next_at)), 0)::float8 FROM sharing_delivery d"
            " JOIN sharing_webhook w ON w.id = d.webhook_id"
            " WHERE d.state = 'pending' AND d.next_at <= now() AND w.state = 'active'"
        ),
    ),
    (
        "stillwatch_webhooks_failing",
        "Webhooks to which several deliveries in a row failed",
        "SELECT count(*) FROM sharing_webhook WHERE state = 'failing'",
    ),
    (
        "stillwatch_silent_sources",
        "Sources that normally send and are silent now",
        "SELECT count(*) FROM sharing_silence WHERE ended_at IS NULL",
    ),
    (
        "stillwatch_trust_root_seconds",
        "How long the trust root's timestamp is still good, in seconds; 0 where there is none",
        (
            "SELECT coalesce(greatest(0, extract(epoch FROM min(expires_at) - now())), 0)::float8"
            " FROM sharing_trustfile WHERE role = 'timestamp'"
        ),
    ),
    (
        "stillwatch_signatures_to_renew",
        "Entries and claims that are not looked at yet for signatures of a revoked key",
        (
            "SELECT coalesce(sum(greatest(0, c.next_index - r.position)), 0)::int8 FROM sharing_renewal r"
            " JOIN sharing_collection c ON c.id = r.collection_id WHERE r.done_at IS NULL"
        ),
    ),
    (
        "stillwatch_entries",
        "Entries of all collections",
        "SELECT coalesce(sum(next_index), 0)::int8 FROM sharing_collection",
    ),
)


def metrics(request: HttpRequest) -> HttpResponse:
    """`/metrics` in Prometheus text format; the proxy keeps it from the outside."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    registry = CollectorRegistry()
    registry.register(_Tables())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
