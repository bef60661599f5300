"""The desk's pages on what is let out; importing them registers them."""

from sharing.admin import (
    collections,
    detectors,
    drafts,
    organizations,
    patterns,
    receipts,
    reviews,
    said,
    sending,
    sources,
    subjects,
)

__all__ = [
    "collections",
    "detectors",
    "drafts",
    "organizations",
    "patterns",
    "receipts",
    "reviews",
    "said",
    "sending",
    "sources",
    "subjects",
]
