"""Search over everything that is known: how what an analyst typed can be read, and the subjects that it finds."""

from sharing.search.finding import PAGE, SECONDS, STATES, Filters, TooBroad, bounded, overview, subjects
from sharing.search.found import Found, InFeed, in_feeds, shown
from sharing.search.kinds import KINDS, OTHER, Kind, kind_of
from sharing.search.prompts import LOWEST, MOST_PROMPTS, Alike, NoTemplate, alike
from sharing.search.reading import LONGEST, MOST, Query, Reading, read

__all__ = [
    "KINDS",
    "LONGEST",
    "LOWEST",
    "MOST",
    "MOST_PROMPTS",
    "OTHER",
    "PAGE",
    "SECONDS",
    "STATES",
    "Alike",
    "Filters",
    "Found",
    "InFeed",
    "Kind",
    "NoTemplate",
    "Query",
    "Reading",
    "TooBroad",
    "alike",
    "bounded",
    "in_feeds",
    "kind_of",
    "overview",
    "read",
    "shown",
    "subjects",
]
