"""STIX patterning: parse, canonical form, what a pattern watches (model.md, "Canonical patterns"). Pure."""

from indicators.patterns.errors import PatternError
from indicators.patterns.normal import (
    CORE_TYPES,
    canonical,
    canonical_and_types,
    core_observable,
    object_types,
    observables,
)
from indicators.patterns.parser import parse
from indicators.patterns.tree import Pattern

__all__ = [
    "CORE_TYPES",
    "Pattern",
    "PatternError",
    "canonical",
    "canonical_and_types",
    "core_observable",
    "object_types",
    "observables",
    "parse",
]
