"""The pattern builder's vocabulary, and patterns as its rows wherever it can say them.

The builder writes patterns in the browser (`sharing/static/desk/builder.js`); here they are read back. Its model, as
JSON: observations joined by AND, OR or FOLLOWEDBY; in each, tests joined by AND or OR, with one level of groups; each
observation, and all of them together, with REPEATS and WITHIN.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from indicators.patterns import parse
from indicators.patterns.tree import (
    Comparison,
    Expression,
    Junction,
    ObservationJunction,
    Path,
    Qualified,
    Qualifier,
)
from indicators.stix import profile
from indicators.vocabularies import (
    AccessPathway,
    BlindedSubject,
    BlindingScheme,
    ModelCapability,
    TrafficFeature,
)

_TEXT = (
    ("=", "is"),
    ("!=", "is not"),
    ("IN", "is one of"),
    ("NOT IN", "is none of"),
    ("LIKE", "is like (% any text, _ one character)"),
    ("NOT LIKE", "is not like"),
    ("MATCHES", "matches the regular expression"),
    ("NOT MATCHES", "does not match the regular expression"),
)
_ADDRESS = (
    *_TEXT[:4],
    ("ISSUBSET", "is inside the network"),
    ("NOT ISSUBSET", "is not inside the network"),
    ("ISSUPERSET", "contains"),
)
_EXACT = _TEXT[:4]
_NUMBER = (
    (">=", "is at least"),
    (">", "is more than"),
    ("<=", "is at most"),
    ("<", "is less than"),
    ("=", "is"),
    ("!=", "is not"),
)


@dataclass(frozen=True, slots=True)
class Property:
    """Something that the builder can test: its object path, how people call it, and the operators that make sense."""

    path: str
    label: str
    group: str
    kind: Literal["string", "number"]
    operators: tuple[tuple[str, str], ...]
    help: str = ""
    example: str = ""
    choices: tuple[tuple[str, str], ...] = ()


class NotBuildable(ValueError):
    """A right pattern that the builder cannot show; the message says why."""


def properties() -> tuple[Property, ...]:
    """What the builder offers, in the order in which it does."""
    units = {
        one["const"]: one["description"]
        for one in profile.documents()["llm-api-activity.json"]["definitions"]["traffic-feature-ov"]["oneOf"]
    }
    network, blinded, use = "Network", "Blinded identifier", "Use of a model API"
    return (
        Property("ipv4-addr:value", "IPv4 address or network", network, "string", _ADDRESS,
                 "A network as CIDR: 192.0.2.0/24.", "192.0.2.7"),
        Property("ipv6-addr:value", "IPv6 address or network", network, "string", _ADDRESS,
                 "A network as CIDR: 2001:db8::/32.", "2001:db8::7"),
        Property("domain-name:value", "Domain name", network, "string", _TEXT, "", "proxy.example"),
        Property("url:value", "URL", network, "string", _TEXT, "", "https://proxy.example/v1/"),
        Property("autonomous-system:number", "AS number", network, "number", _NUMBER[4:], "", "64500"),
        Property("file:hashes.'SHA-256'", "File, SHA-256", "File", "string", _EXACT, "64 hexadecimal digits."),
        Property("file:hashes.'SHA-1'", "File, SHA-1", "File", "string", _EXACT, "40 hexadecimal digits."),
        Property("file:hashes.MD5", "File, MD5", "File", "string", _EXACT, "32 hexadecimal digits."),
        Property("blinded-identifier:value", "Blinded value", blinded, "string", _EXACT,
                 "64 hexadecimal digits. Accounts, e-mail addresses and payment methods are shared in this form only."),
        Property("blinded-identifier:subject", "What is blinded", blinded, "string", _EXACT,
                 choices=tuple(BlindedSubject.choices)),
        Property("blinded-identifier:scheme", "Blinding scheme", blinded, "string", _EXACT,
                 choices=tuple(BlindingScheme.choices)),
        Property("blinded-identifier:key_id", "Key", blinded, "string", _EXACT,
                 "Values under different keys never compare.", "frontier.2026q4"),
        Property("prompt-template:hashes.'SHA-256'", "Prompt template, SHA-256", "Prompt template", "string", _EXACT,
                 "Of the normalised template; never the prompt itself."),
        *(
            Property(f"llm-api-activity:features.{feature.value}", str(feature.label), "Behaviour", "number",
                     _NUMBER, units.get(feature.value, ""))
            for feature in TrafficFeature
        ),
        Property("llm-api-activity:account_count", "Accounts in the window", use, "number", _NUMBER),
        Property("llm-api-activity:exchange_count", "Exchanges in the window", use, "number", _NUMBER),
        Property("llm-api-activity:input_tokens", "Tokens sent", use, "number", _NUMBER),
        Property("llm-api-activity:output_tokens", "Tokens received", use, "number", _NUMBER),
        Property("llm-api-activity:targeted_capabilities[*]", "A targeted capability", use, "string", _EXACT,
                 choices=tuple(ModelCapability.choices)),
        Property("llm-api-activity:access_pathways[*]", "An access pathway", use, "string", _EXACT,
                 choices=tuple(AccessPathway.choices)),
        Property("llm-api-activity:model_refs[*].name", "Name of a model", use, "string", _TEXT),
        Property("llm-api-activity:provider", "Provider", use, "string", _EXACT, "As in OpenTelemetry."),
    )  # fmt: skip


_TWICE_QUALIFIED = "qualifiers stand on qualifiers, which the builder does not do"


def rows(pattern: str) -> dict[str, Any]:
    """A pattern as the builder's model; `PatternError` for a wrong pattern, `NotBuildable` for some right ones."""
    known = {one.path: one for one in properties()}
    expression, repeats, within = _unqualified(parse(pattern).expression)
    if isinstance(expression, Qualified):
        raise NotBuildable(_TWICE_QUALIFIED)
    if isinstance(expression, ObservationJunction):
        model = {
            "join": expression.operator,
            "observations": [_observation(one, known) for one in expression.operands],
            "repeats": repeats,
            "within": within,
        }
    else:
        whole = _observation(expression, known)
        model = {
            "join": "AND",
            "observations": [whole | {"repeats": repeats, "within": within}],
            "repeats": None,
            "within": None,
        }
    return model


def _observation(expression: Expression, known: Mapping[str, Property]) -> dict[str, Any]:
    bare, repeats, within = _unqualified(expression)
    if isinstance(bare, ObservationJunction):
        raise NotBuildable("observations are grouped in parentheses, which the builder does not do")
    if isinstance(bare, Qualified):
        raise NotBuildable(_TWICE_QUALIFIED)
    test = bare.test
    if isinstance(test, Comparison):
        join, tests = "AND", [_test(test, known)]
    else:
        join = test.operator
        tests = [
            {"join": one.operator, "tests": [_plain(inner, known) for inner in one.operands]}
            if isinstance(one, Junction)
            else _test(one, known)
            for one in test.operands
        ]
    return {"join": join, "tests": tests, "repeats": repeats, "within": within}


def _plain(test: Comparison | Junction, known: Mapping[str, Property]) -> dict[str, Any]:
    if isinstance(test, Junction):
        raise NotBuildable("groups stand in groups, and the builder has one level of them")
    return _test(test, known)


def _test(test: Comparison, known: Mapping[str, Property]) -> dict[str, Any]:
    path = _written(test.path)
    one = known.get(path)
    if one is None:
        raise NotBuildable(f"it tests {path}, which the builder does not offer")
    operator = f"NOT {test.operator}" if test.negated else test.operator
    if operator not in dict(one.operators):
        raise NotBuildable(f"it tests {path} by {operator}, which the builder does not offer there")
    if not test.values or any(value.kind != one.kind for value in test.values):
        raise NotBuildable(f"it compares {path} with something other than a {one.kind}")
    if any("\n" in value.text or value.text != value.text.strip() for value in test.values):
        raise NotBuildable(f"a value of {path} begins or ends with space, or has several lines")
    return {"path": path, "operator": operator, "values": [value.text for value in test.values]}


def _unqualified(expression: Expression) -> tuple[Expression, str | None, str | None]:
    """An expression without its qualifiers, and how often and within how many seconds it is to be seen."""
    if not isinstance(expression, Qualified):
        return expression, None, None
    kinds = [one.kind for one in expression.qualifiers]
    if "START" in kinds:
        raise NotBuildable("it has START and STOP, which the builder does not do")
    if kinds not in (["REPEATS"], ["WITHIN"], ["REPEATS", "WITHIN"]):
        raise NotBuildable("the builder says REPEATS before WITHIN, and each once")
    said: dict[str, str] = {one.kind: _said(one) for one in expression.qualifiers}
    return expression.expression, said.get("REPEATS"), said.get("WITHIN")


def _said(qualifier: Qualifier) -> str:
    return qualifier.values[0]


def _written(path: Path) -> str:
    """An object path as `properties` writes it."""
    text = path.object_type + ":"
    for number, step in enumerate(path.steps):
        if isinstance(step, str):
            text += ("." if number else "") + (step if step.isidentifier() else f"'{step}'")
        else:
            text += "[*]" if step is None else f"[{step}]"
    return text
