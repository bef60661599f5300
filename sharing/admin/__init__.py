"""The desk's pages on what is let out; importing them registers them."""

from sharing.admin import (
    access,
    audit,
    collections,
    communities,
    detectors,
    drafts,
    organizations,
    patterns,
    proposals,
    receipts,
    reviews,
    said,
    sending,
    sources,
    subjects,
)

__all__ = [
    "access",
    "audit",
    "collections",
    "communities",
    "detectors",
    "drafts",
    "organizations",
    "patterns",
    "proposals",
    "receipts",
    "reviews",
    "said",
    "sending",
    "sources",
    "subjects",
]
