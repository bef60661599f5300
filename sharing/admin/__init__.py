"""The desk's pages on what is let out; importing them registers them."""

from sharing.admin import (
    campaigns,
    collections,
    detectors,
    graph,
    organizations,
    receipts,
    reviews,
    search,
    sending,
    sources,
    subjects,
)

__all__ = [
    "campaigns",
    "collections",
    "detectors",
    "graph",
    "organizations",
    "receipts",
    "reviews",
    "search",
    "sending",
    "sources",
    "subjects",
]
