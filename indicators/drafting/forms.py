"""The desk's forms, one declarative description for each STIX type that analysts write.

A field says which property of the STIX object it is (`path`) and what kind of thing stands there (`kind`); labels, help
and choices are for people. `compose` makes objects of what was read by these descriptions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from indicators.stix.relationships import ALLOWED, COMMON, OF_ONE_TYPE
from indicators.vocabularies import (
    AccessPathway,
    CampaignStatus,
    DetectionMethod,
    EvidenceFamily,
    ModelCapability,
)

CAMPAIGN_EXTENSION = "extension-definition--b4a9d6e8-1f73-4c2b-8e5d-6f7a8b9c0d04"
DETECTION_EXTENSION = "extension-definition--e3d2c1b0-9a87-4f65-9432-10fedcba9805"
ALLEGED = "alleged"
ACTORS = ("intrusion-set", "threat-actor")

Kind = Literal[
    "line",  # one line of text
    "text",  # several lines of text
    "lines",  # a list, one item a line
    "choice",
    "choices",
    "integer",
    "number",
    "moment",  # a UTC timestamp
    "tlp",  # the TLP among `object_marking_refs`
    "pattern",
    "sources",  # external references
    "phases",  # kill-chain phases of MITRE ATLAS
    "techniques",  # ids of techniques: relationships that are said along with the object
    "reference",  # one STIX id
    "references",  # STIX ids
]
Choices = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `name` is that of the input, `path` where its value stands in the STIX object.

    `types` are those a reference may name; empty: any. Bounds are inclusive.
    """

    name: str
    label: str
    kind: Kind
    path: tuple[str, ...]
    help: str = ""
    required: bool = False
    choices: Choices = ()
    minimum: float | None = None
    maximum: float | None = None
    types: tuple[str, ...] = ()
    initial: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Fields that belong together; a folded one is open only where something in it is filled in."""

    title: str
    fields: tuple[Field, ...]
    help: str = ""
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """The form of one STIX type."""

    type: str
    title: str
    help: str
    sections: tuple[Section, ...]

    @property
    def fields(self) -> Iterator[Field]:
        """All fields, in their order."""
        for section in self.sections:
            yield from section.fields


def _titled(*words: str) -> Choices:
    return tuple((word, word.replace("-", " ").capitalize()) for word in words)


def _field(name: str, label: str, kind: Kind, **more: object) -> Field:
    return Field(name, label, kind, (name,), **more)  # type: ignore[arg-type]


def _in(extension: str, name: str, label: str, kind: Kind, **more: object) -> Field:
    return Field(name, label, kind, ("extensions", extension, name), **more)  # type: ignore[arg-type]


_COUNT = {"minimum": 0, "maximum": 2**53 - 1}
_NAME = _field("name", "Name", "line", required=True, help="Short; what people will call it.")
_DESCRIPTION = _field(
    "description",
    "Description",
    "text",
    help="What a colleague at another organisation needs to know. No names of persons, no prompt text of customers.",
)
_ALIASES = _field("aliases", "Other names", "lines", help="One a line.")
_SEEN = (
    _field("first_seen", "First seen", "moment", help="UTC."),
    _field("last_seen", "Last seen", "moment", help="UTC."),
)
_GOALS = _field("goals", "Goals", "lines", help="One a line.")
_RESOURCES = _field(
    "resource_level",
    "Level of resources",
    "choice",
    choices=_titled("individual", "club", "contest", "team", "organization", "government"),
)
_MOTIVATION = _field(
    "primary_motivation",
    "Motivation",
    "choice",
    choices=_titled(
        *("accidental", "coercion", "dominance", "ideology", "notoriety", "organizational-gain"),
        *("personal-gain", "personal-satisfaction", "revenge", "unpredictable"),
    ),
)
_PHASES = _field(
    "kill_chain_phases",
    "Tactics (MITRE ATLAS)",
    "phases",
    help="Where in an attack it belongs. Those of the techniques are added by themselves.",
)
_TECHNIQUES = Field(
    "techniques",
    "Techniques",
    "techniques",
    (),
    help="What it is a case of. Each is said as a relationship along with it; others are related once this stands.",
)
_SOURCES = _field(
    "external_references",
    "Sources",
    "sources",
    help="Where it is said: a report, a case study. A source stays with your organisation; feeds do not show it.",
)
_CITED = _field(
    "external_references",
    "Sources",
    "sources",
    required=True,
    help="Who says so, and where: at least one. Without a source an actor is a rumour.",
)
_MARKING = _field("tlp", "TLP", "tlp", required=True, help="Who may see it.")
_WEIGHT = _field(
    "confidence",
    "Confidence",
    "integer",
    minimum=0,
    maximum=100,
    help="0 to 100: how sure you are. 85 and more: confirmed by evidence; 50: even odds; under 30: a suspicion.",
)
_LABELS = _field("labels", "Labels", "lines", help="One a line.")


def _sharing(*, sources: Field = _SOURCES, weight: bool = True) -> Section:
    fields = (_MARKING, *((_WEIGHT,) if weight else ()), sources, _LABELS)
    return Section("Sharing", fields, "Who may see it, how sure you are, and who says so.")


_INDICATOR = Form(
    "indicator",
    "Indicator",
    "A pattern by which others find the same activity in their own traffic.",
    (
        Section("Pattern", (_field("pattern", "Pattern", "pattern", required=True),)),
        Section(
            "What it means",
            (
                _field("name", "Name", "line", help="Short; what people will call it."),
                _DESCRIPTION,
                _field(
                    "indicator_types",
                    "What it indicates",
                    "choices",
                    choices=_titled(
                        *("malicious-activity", "anomalous-activity", "anonymization", "compromised"),
                        *("attribution", "benign", "unknown"),
                    ),
                ),
                _TECHNIQUES,
                _PHASES,
                _field(
                    "valid_from",
                    "Valid from",
                    "moment",
                    required=True,
                    help="UTC. When what it describes began to be so.",
                    initial="now",
                ),
                _field(
                    "valid_until",
                    "Valid until",
                    "moment",
                    help="UTC. Empty: as long as what it watches usually lives (an address 30 days, a domain 60,"
                    " behaviour a year), counted from when it was last seen.",
                ),
            ),
        ),
        Section(
            "How it was found",
            (
                _in(
                    DETECTION_EXTENSION, "method", "Method", "choice", choices=tuple(DetectionMethod.choices)
                ),
                _in(
                    DETECTION_EXTENSION,
                    "evidence_families",
                    "Kinds of evidence",
                    "choices",
                    choices=tuple(EvidenceFamily.choices),
                    help="Two detections that share all kinds of evidence do not confirm each other.",
                ),
                _in(DETECTION_EXTENSION, "analytic_name", "Analytic", "line"),
                _in(DETECTION_EXTENSION, "analytic_version", "Version of the analytic", "line"),
                _in(
                    DETECTION_EXTENSION,
                    "score",
                    "Score",
                    "number",
                    minimum=0,
                    maximum=1,
                    help="Of the analytic, 0 to 1.",
                ),
                _in(
                    DETECTION_EXTENSION,
                    "estimated_fpr",
                    "False-positive rate",
                    "number",
                    minimum=0,
                    maximum=1,
                    help="As measured on benign traffic, 0 to 1. It weighs in the confidence.",
                ),
            ),
            "Weighs in the confidence, and stays with your organisation: feeds do not show it.",
            folded=True,
        ),
        _sharing(),
    ),
)

_CAMPAIGN = Form(
    "campaign",
    "Campaign",
    "A distillation campaign: its size, its aims and how it stands. Who runs it is said apart, as an allegation.",
    (
        Section(
            "What it is",
            (
                _NAME,
                _ALIASES,
                _DESCRIPTION,
                _field("objective", "Objective", "text", help="What is extracted, and to what end."),
                *_SEEN,
            ),
        ),
        Section(
            "How it stands",
            (
                _in(
                    CAMPAIGN_EXTENSION,
                    "status",
                    "Status now",
                    "choice",
                    required=True,
                    choices=tuple(CampaignStatus.choices),
                    help="So far as you know.",
                ),
                _in(CAMPAIGN_EXTENSION, "status_as_of", "As of", "moment", help="UTC.", initial="now"),
                _in(
                    CAMPAIGN_EXTENSION,
                    "status_at_detection",
                    "Status when first detected",
                    "choice",
                    choices=tuple(CampaignStatus.choices),
                ),
            ),
        ),
        Section(
            "How large it is",
            (
                _in(CAMPAIGN_EXTENSION, "exchange_count_min", "Exchanges, at least", "integer", **_COUNT),
                _in(CAMPAIGN_EXTENSION, "exchange_count_max", "Exchanges, at most", "integer", **_COUNT),
                _in(CAMPAIGN_EXTENSION, "account_count_min", "Accounts, at least", "integer", **_COUNT),
                _in(CAMPAIGN_EXTENSION, "account_count_max", "Accounts, at most", "integer", **_COUNT),
            ),
            "Bounds, as exact figures are rarely known: “over 150,000 exchanges” is a lower bound alone.",
        ),
        Section(
            "What it is after, and how it gets in",
            (
                _in(
                    CAMPAIGN_EXTENSION,
                    "targeted_capabilities",
                    "Capabilities targeted",
                    "choices",
                    choices=tuple(ModelCapability.choices),
                ),
                _in(
                    CAMPAIGN_EXTENSION,
                    "access_pathways",
                    "Access pathways",
                    "choices",
                    choices=tuple(AccessPathway.choices),
                ),
                _in(
                    CAMPAIGN_EXTENSION,
                    "target_model_refs",
                    "Models targeted",
                    "references",
                    types=("software",),
                    help="Ids of software objects, one a line.",
                ),
                _TECHNIQUES,
            ),
        ),
        _sharing(),
    ),
)

_ALLEGATION = (
    "An allegation until somebody adjudicates it: it is labelled “alleged”, names its source, and an analyst decides"
    " every time whether it leaves."
)

FORMS: dict[str, Form] = {
    form.type: form
    for form in (
        _INDICATOR,
        _CAMPAIGN,
        Form(
            "intrusion-set",
            "Intrusion set",
            f"Whoever is behind a campaign, as a group known by what it does. {_ALLEGATION}",
            (
                Section(
                    "Who",
                    (_NAME, _ALIASES, _DESCRIPTION, *_SEEN, _GOALS, _RESOURCES, _MOTIVATION),
                ),
                _sharing(sources=_CITED),
            ),
        ),
        Form(
            "threat-actor",
            "Threat actor",
            f"Who is said to have done it. {_ALLEGATION}",
            (
                Section(
                    "Who",
                    (
                        _NAME,
                        _ALIASES,
                        _DESCRIPTION,
                        _field(
                            "threat_actor_types",
                            "Kind of actor",
                            "choices",
                            choices=_titled(
                                *("competitor", "crime-syndicate", "criminal", "insider-disgruntled"),
                                *("nation-state", "spy", "unknown"),
                            ),
                        ),
                        _field(
                            "roles",
                            "Roles",
                            "choices",
                            choices=_titled(
                                *("agent", "director", "independent", "sponsor"),
                                *("infrastructure-operator", "infrastructure-architect"),
                            ),
                        ),
                        *_SEEN,
                        _GOALS,
                        _RESOURCES,
                        _MOTIVATION,
                    ),
                ),
                _sharing(sources=_CITED),
            ),
        ),
        Form(
            "infrastructure",
            "Infrastructure",
            "Proxies, resellers, account clusters: what a campaign runs on. It says nothing of who runs it.",
            (
                Section(
                    "What it is",
                    (
                        _NAME,
                        _ALIASES,
                        _DESCRIPTION,
                        _field(
                            "infrastructure_types",
                            "Kind",
                            "choices",
                            choices=_titled(
                                *("anonymization", "botnet", "command-and-control", "exfiltration"),
                                *("reconnaissance", "staging", "unknown"),
                            ),
                        ),
                        _PHASES,
                        *_SEEN,
                    ),
                ),
                _sharing(),
            ),
        ),
        Form(
            "attack-pattern",
            "Technique",
            "A way of doing it that the catalogue of techniques does not have yet.",
            (Section("What it is", (_NAME, _ALIASES, _DESCRIPTION, _PHASES)), _sharing()),
        ),
        Form(
            "relationship",
            "Relationship",
            "How two objects hang together. Pick both ends; only what STIX knows between them is offered.",
            (
                Section(
                    "Between what",
                    (
                        _field(
                            "source_ref",
                            "From",
                            "reference",
                            required=True,
                            help="A STIX id: type a name, a value, a pattern or an id, and pick.",
                        ),
                        _field(
                            "relationship_type",
                            "Relationship",
                            "choice",
                            required=True,
                            choices=_titled(
                                *sorted({name for targets in ALLOWED.values() for name in targets}),
                                *OF_ONE_TYPE,
                                COMMON,
                            ),
                        ),
                        _field("target_ref", "To", "reference", required=True, help="As above."),
                        _DESCRIPTION,
                        _field("start_time", "Since", "moment", help="UTC."),
                        _field("stop_time", "Until", "moment", help="UTC."),
                    ),
                    "“Attributed to” says who did it: it is labelled “alleged”, and an analyst decides every time.",
                ),
                _sharing(),
            ),
        ),
        Form(
            "sighting",
            "Sighting",
            "Your organisation saw it too.",
            (
                Section(
                    "What was seen",
                    (
                        _field(
                            "sighting_of_ref",
                            "Of",
                            "reference",
                            required=True,
                            help="A STIX id: type a name, a value, a pattern or an id, and pick.",
                        ),
                        _field("first_seen", "First seen", "moment", help="UTC."),
                        _field("last_seen", "Last seen", "moment", help="UTC.", initial="now"),
                        _field(
                            "count",
                            "How often",
                            "integer",
                            minimum=0,
                            maximum=999_999_999,
                            help="0: looked for it, and it was not there.",
                        ),
                        _DESCRIPTION,
                    ),
                    "Seen at your own organisation.",
                ),
                _sharing(),
            ),
        ),
        Form(
            "opinion",
            "Opinion",
            "Whether what others say is so.",
            (
                Section(
                    "What you think",
                    (
                        _field(
                            "object_refs",
                            "Of",
                            "references",
                            required=True,
                            help="STIX ids, one a line: type a name, a value, a pattern or an id, and pick.",
                        ),
                        _field(
                            "opinion",
                            "You",
                            "choice",
                            required=True,
                            choices=(
                                ("strongly-disagree", "Strongly disagree"),
                                ("disagree", "Disagree"),
                                ("neutral", "Are neutral"),
                                ("agree", "Agree"),
                                ("strongly-agree", "Strongly agree"),
                            ),
                            help="It weighs in the confidence of indicators.",
                        ),
                        _field("explanation", "Why", "text"),
                    ),
                ),
                _sharing(weight=False),
            ),
        ),
        Form(
            "note",
            "Note",
            "What others should know about something, and no property holds.",
            (
                Section(
                    "The note",
                    (
                        _field(
                            "object_refs",
                            "About",
                            "references",
                            required=True,
                            help="STIX ids, one a line: type a name, a value, a pattern or an id, and pick.",
                        ),
                        _field("abstract", "Title", "line"),
                        _field("content", "Text", "text", required=True),
                    ),
                ),
                _sharing(weight=False),
            ),
        ),
    )
}


def writes(obj: Mapping[str, object]) -> bool:
    """Whether the forms can write an object: by its type, and of an indicator only a STIX pattern."""
    return obj.get("type") in FORMS and obj.get("pattern_type", "stix") == "stix"
