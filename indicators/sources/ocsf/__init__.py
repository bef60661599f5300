"""OCSF Detection Findings (class 2004, schema 1.8.0, profiles security_control and osint) as STIX 2.1.

    raw findings = split(body)      one finding, a list, or one a line; only a body that is none of these is refused
    finding = read(raw)             against OCSF's schema and what can be mapped; raises Refused
    item = item(finding, …)         its STIX objects, for the organisation that sent it

docs/detectors.md says what becomes of what.
"""

from indicators.sources.ocsf.findings import CODES, WITHDRAWN, Finding, read, split
from indicators.sources.ocsf.mapping import Known, ids, indicator_id, item

__all__ = ["CODES", "WITHDRAWN", "Finding", "Known", "ids", "indicator_id", "item", "read", "split"]
