"""The desk's pages on what is let out; importing them registers them."""

from sharing.admin import (
    access,
    audit,
    collections,
    communities,
    detectors,
    organizations,
    proposals,
    receipts,
    reviews,
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
    "organizations",
    "proposals",
    "receipts",
    "reviews",
    "sending",
    "sources",
    "subjects",
]
