"""The desk's pages on what is let out; importing them registers them."""

from sharing.admin import (
    collections,
    detectors,
    home,
    organizations,
    portal,
    proposals,
    receipts,
    reviews,
    sending,
    sources,
    subjects,
)

__all__ = [
    "collections",
    "detectors",
    "home",
    "organizations",
    "portal",
    "proposals",
    "receipts",
    "reviews",
    "sending",
    "sources",
    "subjects",
]
