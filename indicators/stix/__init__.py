"""STIX 2.1 objects as bytes and values: strict JSON, canonical form, validation, markings, references."""
