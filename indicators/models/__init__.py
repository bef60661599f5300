"""Submissions, their objects, claims, the subjects that claims are about, and what must never be published: one module
a concept."""

from indicators.models.allowlists import Allowlist, AllowlistEntry, ListSource, Population, PopulationKind
from indicators.models.claims import Claim, PendingErasure, PendingFold, RaisedTlp, Remark
from indicators.models.detectors import Detector, DetectorHour, Finding, FindingState, Judgement, Tier
from indicators.models.drafts import Draft, DraftState
from indicators.models.merges import Likeness, LikenessState, Merge, MergeKind, Sketch, SketchBand
from indicators.models.observables import CidrField, Observable, Reference, Term, Wording
from indicators.models.sources import Source, SourceAuth, SourceItem, SourceKind
from indicators.models.subjects import Subject
from indicators.models.submissions import (
    BodyFormat,
    Channel,
    Outcome,
    Submission,
    SubmissionState,
    SubmittedObject,
    Upload,
)
from indicators.models.techniques import Technique

__all__ = [
    "Allowlist",
    "AllowlistEntry",
    "BodyFormat",
    "Channel",
    "CidrField",
    "Claim",
    "Detector",
    "DetectorHour",
    "Draft",
    "DraftState",
    "Finding",
    "FindingState",
    "Judgement",
    "Likeness",
    "LikenessState",
    "ListSource",
    "Merge",
    "MergeKind",
    "Observable",
    "Outcome",
    "PendingErasure",
    "PendingFold",
    "Population",
    "PopulationKind",
    "RaisedTlp",
    "Reference",
    "Remark",
    "Sketch",
    "SketchBand",
    "Source",
    "SourceAuth",
    "SourceItem",
    "SourceKind",
    "Subject",
    "Submission",
    "SubmissionState",
    "SubmittedObject",
    "Technique",
    "Term",
    "Tier",
    "Upload",
    "Wording",
]
