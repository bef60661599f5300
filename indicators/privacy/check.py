"""What may not come in the clear: personal identifiers, and prompt text nobody asked for (model.md, "Privacy").

Looked at are whole objects, with what observed-data embeds: observables that are an identifier, what patterns compare
with, and the shapes of `shapes` in every other text. Most objects are done after one search of their canonical bytes.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import re2

from indicators.dedup import sketches
from indicators.patterns import PatternError, parse
from indicators.patterns.tree import Comparison, Expression, Literal, Observation, Qualified, Test
from indicators.privacy import shapes
from indicators.privacy.shapes import ACCOUNT, EMAIL, Kind
from indicators.stix.canonical import read_canonical
from indicators.stix.json import MAX_OBJECT_BYTES, Refused, pointer_token
from indicators.stix.markings import TLP
from indicators.stix.objects import StixObject

#: The code of every refusal that this module makes.
CODES = (
    "personal-account",
    "personal-card",
    "personal-email",
    "personal-phone",
    "prompt-text",
)

#: A piece of prompt text in a pattern with wildcards is a keyword up to here, in characters; beyond, it is the prompt.
MAX_KEYWORD = 256


class Personal(Refused):
    """An object that holds a personal identifier in the clear, or prompt text (`CODES`). Never quotes it."""


def check(stix: StixObject, *, prompt_text: bool = False) -> None:
    """Raises `Personal`, naming the place, unless the object may come in.

    `prompt_text` says that its sender opted in to prompt text. What is marked TLP:CLEAR is public by its sender's own
    word, so prompt text is let through there too; personal identifiers never are. An indicator's pattern must be valid.
    """
    if is_suspect(stix):
        shapeless = _is_shapeless(stix.body, stix.type)
        _Check(prompt_text or stix.tlp is TLP.CLEAR, shapeless=shapeless).object("", stix.value)


def is_suspect(stix: StixObject) -> bool:
    """The first look, at the canonical bytes: False only where `search` would find nothing either."""
    return _is_suspect(stix.body, stix.type)


def _is_suspect(body: bytes, kind: Any) -> bool:
    if not body.isascii() or _suspect.search(body) is not None:
        return True
    return bool(kind == "indicator" and _needs_parsing.search(body) is not None)


def _is_shapeless(body: bytes, kind: Any) -> bool:
    """Whether no text in an object has one of the `shapes`, by its canonical bytes.

    Of an indicator whose pattern may write a value in another way than it is compared nothing is said.
    """
    if kind == "indicator" and _is_rewritten.search(body) is not None:
        return False
    return body.isascii() and not shapes.is_suspect(body)


def search(stix: StixObject, *, prompt_text: bool = False) -> None:
    """`check` without the first looks."""
    _Check(prompt_text or stix.tlp is TLP.CLEAR).object("", stix.value)


def may_hold(raw: bytes, *, prompt_text: bool = False) -> bool:
    """Whether an object that was refused for another reason may hold what `check` refuses. In doubt it may."""
    try:
        value, body = read_canonical(raw)
    except Refused:
        return _may_hold_broken(raw, prompt_text)
    kind = value.get("type") if type(value) is dict else None
    if not _is_suspect(body, kind):
        return False
    try:
        _BrokenCheck(prompt_text, shapeless=_is_shapeless(body, kind)).member("", "", value)
    except Personal:
        return True
    return False


def _may_hold_broken(raw: bytes, prompt_text: bool) -> bool:
    text = raw.decode("utf-8", "replace")
    if len(raw) <= MAX_OBJECT_BYTES:
        try:
            value = json.loads(text.removeprefix("\ufeff"), strict=False, object_pairs_hook=_members)
            _BrokenCheck(prompt_text).member("", "", value)
        except Personal:
            return True
        except (ValueError, RecursionError):
            pass  # no JSON, half a surrogate pair, or too deep
        else:
            return False
    looks = (_identifying,) if prompt_text else (_identifying, _prompt)
    # JSON, and a literal of a pattern in it: each escapes what it holds.
    for _ in range(2):
        text = _ESCAPE.sub(_unescaped, text)
        seen = shapes.plain(text).encode("utf-8", "replace")
        # A regular expression writes a number in any way: what cannot be read is not known to hold none.
        if b"MATCHES" in seen or any(look.search(seen) is not None for look in looks):
            return True
    return False


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("of two members with one key only the last would be looked at")
    return members


_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)


def _unescaped(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return " " if match[2] in "bfnrt" else match[2]


#: The shapes, and the observables and properties that need none.
_IDENTIFYING = (
    rf"{shapes.SUSPECT}|email-addr|user-account|(?:user|account|customer)_id|account_login|credential"
)
_identifying = re2.compile(_IDENTIFYING)
#: With prompt text in a type or a key, which JSON ends with a quotation mark.
_suspect = re2.compile(rf"""{_IDENTIFYING}|prompts?(?:[-_]te(?:xt|mplate))?\"""")
#: Patterns write paths with white space, comments and indexes, and values with escapes and regular expressions.
_needs_parsing = re2.compile(r"(?i:prompt)|\\\\|MATCHES")
_is_rewritten = re2.compile(r"\\\\|MATCHES")
_prompt = re2.compile(r"(?i:prompt)")

_ACCOUNT_PROPERTIES = frozenset(("account_login", "credential", "display_name", "user_id"))
#: These say an account wherever they stand, in custom objects and behind references too.
_ACCOUNT_KEYS = frozenset(("account_id", "account_login", "credential", "customer_id", "user_id"))
_PROMPT_PROPERTIES = frozenset(("body", "content", "prompt", "template", "text", "value"))
_PROMPT_KEY = re.compile(r"(?:\w+_)?prompts?(?:_text|_template)?")
#: What only looks like an address, a card number or a key, by the type and the property that say so, and its form.
_PASSED_OVER = {
    ("email-message", "message_id"): re.compile(r"<[^<>\s]+@[^<>\s]+>"),
    ("prompt-template", "sketches"): re.compile(rf"[A-Za-z0-9_-]{{{sketches.LENGTH}}}"),
    ("x509-certificate", "serial_number"): re.compile(
        "(?:0[xX])?[0-9A-Fa-f]+|[0-9A-Fa-f]{2}(?:[: ][0-9A-Fa-f]{2})+"
    ),
}
#: The numbers of these say how much; others may be a number that somebody has.
_COUNTED = frozenset(
    (
        ("file", "size"),
        ("llm-api-activity", "account_count"),
        ("llm-api-activity", "exchange_count"),
        ("llm-api-activity", "input_tokens"),
        ("llm-api-activity", "output_tokens"),
        ("network-traffic", "dst_byte_count"),
        ("network-traffic", "dst_packets"),
        ("network-traffic", "src_byte_count"),
        ("network-traffic", "src_packets"),
    )
)
#: Cards of less digits are no bare numbers: times and counts are.
_SMALLEST_CARD = 10**14
#: Ids made from the value that they stand for (UUID version 5): whoever guesses the value sees that it is that.
_TELLING_ID = re.compile(r"(email-addr|user-account)--[0-9a-f]{8}-[0-9a-f]{4}-5")


class _Check:
    def __init__(self, prompt_text: bool, *, shapeless: bool = False) -> None:
        self.prompt_text = prompt_text
        #: Whether it is known that no text has a shape: then only names and places are looked at.
        self.shapeless = shapeless

    def object(self, place: str, value: dict[str, Any]) -> None:
        """A STIX object, or any dictionary in one."""
        kind = value.get("type")
        passed_over: set[str] = set()
        if type(kind) is str:
            if kind == "email-addr" and "value" in value:
                raise _refusal(f"{place}/value", EMAIL)
            if kind == "user-account":
                for name in sorted(_ACCOUNT_PROPERTIES & value.keys()):
                    raise _refusal(f"{place}/{name}", ACCOUNT)
            if _is_prompt_type(kind) and not self.prompt_text:
                for name in sorted(_PROMPT_PROPERTIES & value.keys()):
                    raise _prompt_refusal(f"{place}/{name}")
            if kind == "indicator" and not place and type(value.get("pattern")) is str:
                self.pattern("/pattern", value["pattern"], value.get("pattern_type"))
                passed_over.add("pattern")
            elif kind == "identity" and value.get("identity_class") == "organization":
                passed_over.add("contact_information")
            passed_over |= {key for key in value if _is_passed_over(kind, key, value[key])}
        for key, item in value.items():
            if key not in passed_over:
                if not key.replace("_", "").isalpha():
                    # It is not named: it may be what is refused.
                    self.text(place, key, "one of its keys holds")
                self.member(f"{place}/{pointer_token(key)}", key, item)

    def member(self, place: str, key: str, value: Any) -> None:
        kind = type(value)
        if kind is str:
            match = _TELLING_ID.match(value) if key.endswith(("_ref", "_refs")) else None
            if match is not None:
                raise _refusal(place, EMAIL if match[1] == "email-addr" else ACCOUNT, "this id is made from")
            if key in _ACCOUNT_KEYS and value:
                raise _refusal(place, ACCOUNT)
            if not self.prompt_text and _PROMPT_KEY.fullmatch(key) is not None:
                raise _prompt_refusal(place)
            self.text(place, value)
        elif kind is int:
            if key in _ACCOUNT_KEYS:
                raise _refusal(place, ACCOUNT)
            if value >= _SMALLEST_CARD:
                self.text(place, str(value))
        elif kind is float:
            # 88123456.0 is the same number, and its canonical form has no point.
            if key in _ACCOUNT_KEYS:
                raise _refusal(place, ACCOUNT)
            if value >= _SMALLEST_CARD and value < 10**19 and value.is_integer():
                self.text(place, str(int(value)))
        elif kind is dict:
            self.object(place, value)
        elif kind is list:
            for index, item in enumerate(value):
                self.member(f"{place}/{index}", key, item)

    def text(self, place: str, text: str, how: str = "this holds") -> None:
        kind = None if self.shapeless else shapes.find(text)
        if kind is not None:
            raise _refusal(place, kind, how)

    # Patterns

    def pattern(self, place: str, text: str, pattern_type: Any) -> None:
        if pattern_type != "stix":
            self.text(place, text)
            return
        for comment in _comments(text):
            self.text(place, comment)
        for comparison in _comparisons(parse(text).expression):
            self.comparison(place, comparison)

    def comparison(self, place: str, comparison: Comparison) -> None:
        names = [step for step in comparison.path.steps if isinstance(step, str)]
        for name in (comparison.path.object_type, *names):
            self.text(place, name)
        if not comparison.values:
            return
        object_type = comparison.path.object_type
        path = f"{comparison.path.object_type}:{'.'.join(names)}"
        path = f"{path if len(path) <= 80 else path[:79] + '…'} is compared with"
        account = names[-1] in _ACCOUNT_KEYS or (
            comparison.path.object_type == "user-account" and names[-1] in _ACCOUNT_PROPERTIES
        )
        prompt = not self.prompt_text and (
            (_is_prompt_type(comparison.path.object_type) and names[0] in _PROMPT_PROPERTIES)
            or (names[-1] == "template" and "prompt_refs" in names)
            or _PROMPT_KEY.fullmatch(names[-1]) is not None
        )
        for value in comparison.values:
            if value.kind not in ("string", "number"):
                continue
            pieces, is_whole = _literal_pieces(comparison.operator, value.text)
            if account and is_whole:
                raise _refusal(place, ACCOUNT, path)
            if prompt and (is_whole or max(map(len, pieces)) > MAX_KEYWORD):
                raise _prompt_refusal(place, path)
            # Of a regular expression's form nothing can be said.
            if comparison.operator != "MATCHES" and _is_compared_form(object_type, names, value):
                continue
            if is_whole and "@" in value.text and path.startswith("email-addr:value "):
                raise _refusal(place, EMAIL, path)
            for piece in pieces:
                self.text(place, piece, path)


class _BrokenCheck(_Check):
    """For objects that are not valid: their patterns may break off anywhere."""

    def pattern(self, place: str, text: str, pattern_type: Any) -> None:
        self.text(place, text)
        try:
            super().pattern(place, text, pattern_type)
        except PatternError:
            look = text.encode("utf-8", "replace")
            if _identifying.search(look) is not None:
                raise _refusal(place, ACCOUNT, "this may hold") from None
            if not self.prompt_text and _prompt.search(look) is not None:
                raise _prompt_refusal(place, "this may hold") from None


def _is_passed_over(kind: str, key: str, value: Any) -> bool:
    """Whether a property needs no look: its type says that it is something else, and it has the form of that."""
    form = _PASSED_OVER.get((kind, key))
    if form is None:
        return type(value) is int and (kind, key) in _COUNTED
    if key == "sketches" and type(value) is dict and value.keys() == {sketches.NAME}:
        value = value[sketches.NAME]
    return type(value) is str and form.fullmatch(value) is not None


def _is_compared_form(object_type: str, names: list[str], value: Literal) -> bool:
    """`_is_passed_over` for what a pattern compares with."""
    if value.kind == "number":
        return len(names) == 1 and (object_type, names[0]) in _COUNTED
    form = _PASSED_OVER.get((object_type, names[0]))
    below = [sketches.NAME] if names[0] == "sketches" else []
    return form is not None and names[1:] == below and form.fullmatch(value.text) is not None


def _is_prompt_type(kind: str) -> bool:
    return kind == "prompt-template" or kind == "prompt" or kind.endswith("-prompt")


def _refusal(place: str, kind: Kind, how: str = "this holds") -> Personal:
    commands = " or ".join(f"`stillwatch blind --subject {subject}`" for subject in kind.subjects)
    instead = "compare `blinded-identifier:value` with that" if "compared" in how else "send that"
    return Personal(
        kind.code,
        place,
        f"{how} {kind.noun}, which may be a customer's; make a blinded-identifier of it with {commands} and"
        f" {instead} instead",
    )


def _prompt_refusal(place: str, how: str = "this holds") -> Personal:
    return Personal(
        "prompt-text",
        place,
        f"{how} prompt text, which may hold what a customer wrote; send its hashes and sketches in a"
        " prompt-template without `template`, or have your organisation's `prompt_text` set to `allow`",
    )


_COMMENT = re.compile(r"'(?:[^'\\]++|\\.)*+'|(/\*[\s\S]*?\*/|//[^\r\n]*+)", re.DOTALL)


def _comments(pattern: str) -> Iterator[str]:
    """What the parser leaves out and the object still holds."""
    if "//" in pattern or "/*" in pattern:
        for match in _COMMENT.finditer(pattern):
            if match[1]:
                yield match[1]


def _comparisons(expression: Expression) -> Iterator[Comparison]:
    left: list[Expression | Test] = [expression]
    while left:
        node = left.pop()
        if isinstance(node, Comparison):
            yield node
        elif isinstance(node, Observation):
            left.append(node.test)
        elif isinstance(node, Qualified):
            left.append(node.expression)
        else:
            left.extend(reversed(node.operands))


def _literal_pieces(operator: str, value: str) -> tuple[list[str], bool]:
    """What of a value stands in every text that it fits: its pieces between wildcards, and whether it has none."""
    if operator == "LIKE":
        return value.split("%"), "%" not in value
    if operator == "MATCHES":
        return _regex_pieces(value)
    return [value], True


_REGEX_TOKEN = re.compile(
    r"""
    (?:
      (?P<neutral>[\^$]|\\[AbBzZ]|\(\?[a-z]+\))
    | (?P<literal>\\[^A-Za-z0-9]|\[\\?[^\\\]^]\]|[^\\\[\](){}|*+?])
    | \[\^?\]?(?:[^\\\]]|\\.)*+\]?
    | \(\?(?:<?[=!]|P?<\w+>|[a-z-]*:)
    | \\?.
    )
    (?P<quantifier>(?:[*+?]|\{[0-9,]*\})[?+]?)?
    """,
    re.VERBOSE | re.DOTALL,
)


def _regex_pieces(regex: str) -> tuple[list[str], bool]:
    """As `_literal_pieces`; an unescaped dot counts as a character, as it is mostly meant."""
    pieces = [""]
    is_whole = True
    for token in _REGEX_TOKEN.finditer(regex):
        literal = token["literal"]
        if literal and not token["quantifier"]:
            # `\.` and `[.]` are a dot.
            pieces[-1] += literal[-2] if len(literal) > 2 else literal[-1]
        else:
            pieces.append("")
            is_whole = is_whole and token["neutral"] is not None
    return pieces, is_whole
