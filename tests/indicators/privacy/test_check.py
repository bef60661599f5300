"""What ingest refuses for what it holds: every kind, in every place, by code and JSON pointer."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import indicators.demo
from indicators.patterns import PatternError
from indicators.privacy.blinding import SUBJECTS, blinded_identifier
from indicators.privacy.check import (
    CODES,
    MAX_KEYWORD,
    Personal,
    _BrokenCheck,
    check,
    is_suspect,
    may_hold,
    search,
)
from indicators.stix.json import Refused
from indicators.stix.markings import TLP, marking_id
from indicators.stix.objects import StixObject, read
from tests.indicators.privacy.test_shapes import cards

UUID = "412b940d-e083-4c3c-8f7b-36ea3211780f"
TELLING = "412b940d-e083-5c3c-8f7b-36ea3211780f"
AT = "2026-10-03T02:10:00.000Z"
PROMPT_TEMPLATE = {
    "hashes": {"SHA-256": "0" * 64},
    "normalization": "ptn-1",
    "extensions": {
        "extension-definition--5b7d1e92-8c44-4d0a-a3f6-1e2b9c7d8f02": {"extension_type": "new-sco"}
    },
}
CUSTOM = {
    "extensions": {f"extension-definition--{UUID}": {"extension_type": "new-sdo"}},
}

#: One of each kind, and its code.
IDENTIFIERS = {
    "user@example.com": "personal-email",
    "user[@]example[.]com": "personal-email",
    "4111 1111-1111 1111": "personal-card",
    "+1 (202) 555-0143": "personal-phone",
    "org_01ABCdef": "personal-account",
    "sk-proj-a1b2c3d4e5f6g7h8": "personal-account",
    "GB82 WEST 1234 5698 7654 32": "personal-account",
    "https://user@shop.example/": "personal-account",
}


def sdo(kind: str, **properties: Any) -> dict[str, Any]:
    core = {"type": kind, "spec_version": "2.1", "id": f"{kind}--{UUID}", "created": AT, "modified": AT}
    return core | properties


def sco(kind: str, **properties: Any) -> dict[str, Any]:
    return {"type": kind, "spec_version": "2.1", "id": f"{kind}--{UUID}"} | properties


def indicator(pattern: str = "[domain-name:value = 'a.example']", **properties: Any) -> dict[str, Any]:
    given = {"pattern": pattern, "pattern_type": "stix", "valid_from": AT}
    return sdo("indicator", **given | properties)


def observed(*objects: dict[str, Any], **properties: Any) -> dict[str, Any]:
    seen = {"first_observed": AT, "last_observed": AT, "number_observed": 1}
    embedded = {"objects": {str(number): one for number, one in enumerate(objects)}} if objects else {}
    return sdo("observed-data", **seen | embedded | properties)


def held(value: dict[str, Any]) -> StixObject:
    return read(json.dumps(value).encode())


def refusal(value: dict[str, Any], **options: bool) -> Personal:
    with pytest.raises(Personal) as raised:
        check(held(value), **options)
    assert raised.value.code in CODES
    assert raised.value.sentence.startswith(raised.value.place or "At the top level")
    return raised.value


# --- Text


@pytest.mark.parametrize("text", IDENTIFIERS)
@pytest.mark.parametrize(
    ("place", "wrapped"),
    [
        ("/name", lambda text: indicator(name=text)),
        ("/description", lambda text: indicator(description=f"First seen with {text}, then gone")),
        ("/description", lambda text: indicator(description=f"Über {text}")),
        ("/labels/1", lambda text: indicator(labels=["a", text])),
        (
            "/external_references/0/description",
            lambda text: indicator(external_references=[{"source_name": "x", "description": text}]),
        ),
        (
            "/external_references/0/external_id",
            lambda text: indicator(external_references=[{"source_name": "x", "external_id": text}]),
        ),
        (
            "/abstract",
            lambda text: sdo("note", content="c", object_refs=[f"campaign--{UUID}"], abstract=text),
        ),
        ("/content", lambda text: sdo("note", content=text, object_refs=[f"campaign--{UUID}"])),
        (
            "/explanation",
            lambda text: sdo("opinion", opinion="agree", object_refs=[f"campaign--{UUID}"], explanation=text),
        ),
        ("/aliases/0", lambda text: sdo("threat-actor", name="x", aliases=[text])),
        ("/x_seen/0/deep/by", lambda text: indicator(x_seen=[{"deep": {"by": text}}])),
        ("", lambda text: indicator(x_seen={text: 1})),
        ("/value", lambda text: sco("domain-name", value=text)),
        ("/path", lambda text: sco("directory", path=f"/home/of {text} here")),
        ("/contact_information", lambda text: sdo("identity", name="x", contact_information=text)),
        (
            "/contact_information",
            lambda text: sdo(
                "identity", name="x", identity_class="individual", contact_information=f"At {text}"
            ),
        ),
    ],
)
def test_an_identifier_in_a_text_is_refused_at_its_place(text: str, place: str, wrapped: Any) -> None:
    refused = refusal(wrapped(text))

    if place:
        assert (refused.code, refused.place) == (IDENTIFIERS[text], place)
    else:
        # A key is not named: it is what is refused.
        assert (refused.code, refused.place) == (IDENTIFIERS[text], "/x_seen")
    assert text not in refused.sentence
    assert "stillwatch blind --subject" in refused.sentence


@given(
    cards(),
    st.text('ab \n\t\x01\x1f\\"', max_size=3),
    st.sampled_from([" ", "\n", "\t", "\x1f", '"', "(", "\\"]),
)
def test_a_card_number_is_refused_however_json_writes_what_stands_before_it(
    card: str, before: str, mark: str
) -> None:
    assert refusal(indicator(description=f"{before}{mark}{card}")).place == "/description"


def test_what_looks_like_an_indicator_inside_a_custom_property_is_searched_as_text() -> None:
    inner = {"type": "indicator", "pattern": "no pattern", "pattern_type": "stix"}

    check(held(indicator(x_inner=inner, x_by="a@b")))

    assert refusal(indicator(x_inner=inner | {"pattern": "a@b.example"})).place == "/x_inner/pattern"


@pytest.mark.parametrize("number", [4111111111111111, 378282246310005, 4111111111111111.0])
def test_a_card_number_written_as_a_number_is_refused(number: float) -> None:
    assert refusal(indicator(x_card=number)).place == "/x_card"
    assert refusal(sdo("x-foo", card_count=number, **CUSTOM)).place == "/card_count"


@pytest.mark.parametrize("number", [88123456, 88123456.0])
@pytest.mark.parametrize("key", ["account_id", "customer_id", "user_id"])
def test_the_number_of_an_account_is_refused_however_it_is_written(key: str, number: float) -> None:
    assert refusal(sdo("x-foo", **{key: number}, **CUSTOM)).place == f"/{key}"


def test_numbers_that_are_counts_by_their_type_or_too_small_for_a_card_come_in() -> None:
    check(held(sco("file", name="x", size=4111111111111111)))
    check(held(indicator(total=4000000000006, x_at=30569309025904)))


SKETCH = "sk-" + "A1b2" * 170


@pytest.mark.parametrize(
    ("place", "one"),
    [
        ("/hashes/note", sdo("x-foo", hashes={"note": "bob@example.org"}, **CUSTOM)),
        ("/message_id", sdo("x-foo", message_id="<bob@example.org>", **CUSTOM)),
        ("/message_id", sco("email-message", is_multipart=False, message_id="bob@example.org")),
        ("/serial_number", sdo("x-foo", serial_number="4111111111111111", **CUSTOM)),
        ("/serial_number", sco("x509-certificate", serial_number="4111 1111 1111 1111")),
        ("/sketches/x", sco("prompt-template", sketches={"x": "user@example.org"}, **PROMPT_TEMPLATE)),
        ("/sketches/minhash-w3-128", sdo("x-foo", sketches={"minhash-w3-128": SKETCH}, **CUSTOM)),
        ("/pattern", indicator("[x-y:message_id = 'user@example.org']")),
        ("/pattern", indicator("[email-message:message_id = 'user@example.org']")),
        (
            "/pattern",
            indicator("[email-message:message_id = '<1@a.example>' OR x:message_id = '<1@a.example>']"),
        ),
        ("/pattern", indicator("[x-y:serial_number = '4111111111111111']")),
        ("/pattern", indicator("[x-y:card_count = 4111111111111111]")),
    ],
)
def test_a_name_exempts_nothing_on_another_type_or_in_another_form(place: str, one: dict[str, Any]) -> None:
    assert refusal(one).place == place
    if one["type"] != "indicator":
        assert refusal(observed(one)).place == f"/objects/0{place}"


# --- Observables


OBSERVABLES: list[tuple[str, str, dict[str, Any]]] = [
    ("personal-email", "/value", sco("email-addr", value="user@example.com")),
    ("personal-email", "/value", sco("email-addr", value="user[@]example[.]com")),
    ("personal-account", "/user_id", sco("user-account", user_id="1001")),
    ("personal-account", "/account_login", sco("user-account", account_login="jo")),
    ("personal-account", "/display_name", sco("user-account", display_name="Jo")),
    ("personal-account", "/credential", sco("user-account", credential="secret")),
    ("personal-account", "/value", sco("url", value="https://user:secret@example.com/")),
    ("personal-email", "/value", sco("url", value="https://example.com/?u=user%40example.com")),
    ("personal-email", "/value", sco("url", value="hxxps://example[.]com/u/user[@]example[.]com")),
    ("personal-email", "/subject", sco("email-message", is_multipart=False, subject="To user@example.com")),
    (
        "personal-email",
        "/from_ref",
        sco("email-message", is_multipart=False, from_ref=f"email-addr--{TELLING}"),
    ),
    (
        "personal-account",
        "/creator_user_ref",
        sco("process", pid=1, creator_user_ref=f"user-account--{TELLING}"),
    ),
    ("personal-email", "/subject", sco("x509-certificate", subject="C=ZZ, emailAddress=user@example.com")),
    ("personal-account", "/x_seen/user_id", sco("domain-name", value="a.example", x_seen={"user_id": "7"})),
    (
        "personal-account",
        "/x_seen/account_id",
        sco("domain-name", value="a.example", x_seen={"account_id": 7}),
    ),
    ("prompt-text", "/template", sco("prompt-template", template="Think aloud", **PROMPT_TEMPLATE)),
    ("prompt-text", "/value", sco("ai-prompt", value="Think aloud")),
    ("prompt-text", "/x_system_prompt", sco("domain-name", value="a.example", x_system_prompt="Think aloud")),
    ("prompt-text", "/x_prompts/0", sco("domain-name", value="a.example", x_prompts=["Think aloud"])),
]


@pytest.mark.parametrize(("code", "place", "one"), OBSERVABLES)
def test_an_observable_is_refused_and_so_is_observed_data_that_embeds_it(
    code: str, place: str, one: dict[str, Any]
) -> None:
    alone, embedded = refusal(one), refusal(observed(sco("domain-name", value="a.example"), one))

    assert (alone.code, alone.place) == (code, place)
    assert (embedded.code, embedded.place) == (code, f"/objects/1{place}")


@pytest.mark.parametrize(
    ("code", "place", "one"),
    [
        (
            "personal-email",
            "/object_refs/1",
            observed(object_refs=[f"url--{UUID}", f"email-addr--{TELLING}"]),
        ),
        ("personal-account", "/object_refs/0", observed(object_refs=[f"user-account--{TELLING}"])),
    ],
)
def test_an_id_that_is_made_from_an_identifier_gives_it_away(
    code: str, place: str, one: dict[str, Any]
) -> None:
    refused = refusal(one)

    assert (refused.code, refused.place) == (code, place)
    assert "made from" in refused.sentence


# --- Patterns


@pytest.mark.parametrize(
    ("code", "pattern"),
    [
        ("personal-email", "[email-addr:value = 'user@example.com']"),
        ("personal-email", "[email-addr:value = 'user[@]example[.]com']"),
        ("personal-email", "[email-addr:value != 'user@localhost']"),
        ("personal-email", "[email-addr:value IN ('a@b.example', 'c@d.example')]"),
        ("personal-email", "[email-addr:value LIKE '%user@example.com%']"),
        ("personal-email", "[email-addr:value LIKE 'user_name@example.com']"),
        ("personal-email", r"[email-addr:value MATCHES '^user\\.name@example\\.com$']"),
        ("personal-email", "[email-addr:value MATCHES '(?i)user[@]example[.]com']"),
        ("personal-email", "[email-message:from_ref.value = 'user@example.com']"),
        ("personal-email", "[email-message:subject = 'To user@example.com']"),
        ("personal-email", "[url:value = 'https://a.example/?u=user%40example.com']"),
        ("personal-email", "[url:value LIKE '%?u=user@example.com']"),
        ("personal-email", "[domain-name:value = 'a.example' AND email-addr:value = 'user@example.com']"),
        (
            "personal-email",
            "([url:value = 'http://a.example/'] FOLLOWEDBY [x:y = 'user@example.com']) WITHIN 5 SECONDS",
        ),
        ("personal-email", "[x:'user@example.com' = 1]"),
        ("personal-email", "[domain-name:value = 'a.example'] /* isn't user@example.com's */"),
        ("personal-card", "[x-payment:card = '4111 1111 1111 1111']"),
        ("personal-card", "[x-payment:card = 4111111111111111]"),
        ("personal-card", "[x-payment:card IN ('1', '5555-5555-5555-4444')]"),
        ("personal-phone", "[x-contact:number = '+1 202 555 0143']"),
        ("personal-account", "[url:value = 'https://user@example.com/']"),
        ("personal-account", "[user-account:user_id = '1001']"),
        ("personal-account", "[user-account:user_id = 1001]"),
        ("personal-account", "[user-account:account_login IN ('jo', 'jim')]"),
        ("personal-account", "[user-account:account_login LIKE 'jo']"),
        ("personal-account", "[user-account:account_login MATCHES '(?i)^jo$']"),
        ("personal-account", "[user-account:display_name = 'Jo']"),
        ("personal-account", "[llm-api-activity:account_refs[*].user_id = '1001']"),
        ("personal-account", "[process:creator_user_ref.account_login = 'jo']"),
        ("personal-account", "[x-org:name = 'org_01ABCdef']"),
        ("prompt-text", "[prompt-template:template = 'Think aloud']"),
        ("prompt-text", "[prompt-template:template LIKE 'Think aloud']"),
        ("prompt-text", f"[prompt-template:template LIKE '%{'a' * (MAX_KEYWORD + 1)}%']"),
        ("prompt-text", "[prompt-template:template MATCHES '^Think aloud$']"),
        ("prompt-text", "[ai-prompt:value = 'Think aloud']"),
        ("prompt-text", "[ai-prompt:value IN ('Think aloud', 'Think')]"),
        ("prompt-text", "[llm-api-activity:prompt_refs[*].template = 'Think aloud']"),
        ("prompt-text", "[x-request:system_prompt   =   'Think aloud']"),
        ("prompt-text", "[x-request:prompt IN ('Think aloud')]"),
        ("prompt-text", "[x-y:prompt\n= 'Think aloud']"),
        ("prompt-text", "[x-y:prompt /* the text */ = 'Think aloud']"),
        ("prompt-text", "[x-y:prompts[1234567890] = 'Think aloud']"),
        ("prompt-text", "[prompt-template\n:template = 'Think aloud']"),
        ("personal-card", r"[x-y:z MATCHES '4111\\-1111\\-1111\\-1111']"),
        ("personal-card", r"[x-y:z MATCHES '[4]111111111111111']"),
        ("personal-account", r"[x-y:z MATCHES 'or[g]_01ABCdef']"),
    ],
)
def test_a_pattern_that_names_somebody_is_refused(code: str, pattern: str) -> None:
    refused = refusal(indicator(pattern))

    assert (refused.code, refused.place) == (code, "/pattern")
    assert "user@example" not in refused.sentence
    assert "Think" not in refused.sentence


def test_the_sentence_about_a_pattern_says_what_is_compared_and_what_to_do() -> None:
    assert refusal(indicator("[email-addr:value = 'user@example.com']")).sentence == (
        "/pattern: email-addr:value is compared with an e-mail address, which may be a customer's; make a"
        " blinded-identifier of it with `stillwatch blind --subject email-address` and compare"
        " `blinded-identifier:value` with that instead."
    )


@pytest.mark.parametrize(
    "pattern",
    [
        "[email-addr:value LIKE '%@example.com']",
        "[email-addr:value LIKE 'user%@example.com']",
        r"[email-addr:value MATCHES '.+\\@example\\.com$']",
        r"[email-addr:value MATCHES '^[a-z]{8}[0-9]{4}@example\\.com$']",
        "[email-addr:value ISSUBSET 'example.com']",
        "[EXISTS email-addr:value]",
        "[email-message:message_id = '<1@mail.example.com>']",
        "[url:value = 'ssh://git@git.example.org/x.git']",
        "[url:value = 'https://www.google.com@evil.example/login']",
        r"[url:value MATCHES '^https://www\\.google\\.com@evil\\.example/']",
        "[domain-name:value = 'sk-residential-exit-04.example']",
        "[x509-certificate:serial_number = '4111111111111111']",
        "[network-traffic:src_byte_count > 4111111111111111]",
        f"[prompt-template:sketches.'minhash-w3-128' = '{SKETCH}']",
        "[url:value LIKE 'https://%@example.com/%']",
        "[user-account:account_login LIKE 'bot-%']",
        "[user-account:account_login MATCHES '^bot-[0-9]+$']",
        "[user-account:account_type = 'unix']",
        "[user-account:account_created > t'2026-01-01T00:00:00Z']",
        "[llm-api-activity:exchange_count >= 4111111111111111]",
        "[prompt-template:hashes.'SHA-256' = '" + "0" * 64 + "']",
        "[prompt-template:template LIKE '%think aloud%' OR ai-prompt:value LIKE '%think aloud%']",
        "[prompt-template:template MATCHES 'think (aloud|silently)']",
        f"[blinded-identifier:value = '{'1' * 64}' AND blinded-identifier:subject = 'email-address']",
    ],
)
def test_a_pattern_that_names_nobody_comes_in(pattern: str) -> None:
    check(held(indicator(pattern)))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("personal-email", "title: x\nuser: user@example.com\n"),
        ("personal-card", "card: 4111 1111 1111 1111"),
    ],
)
def test_a_rule_in_another_language_is_searched_as_text(code: str, text: str) -> None:
    assert refusal(indicator(text, pattern_type="sigma")).code == code
    check(held(indicator("title: x\nuser: '*@example.com'\n", pattern_type="sigma")))


# --- What may come in


@pytest.mark.parametrize(
    "one",
    [
        indicator(),
        indicator(
            description="Seen by 41,233 accounts over 2026-10-02 10:30; see https://example.com/@team/1"
        ),
        sdo(
            "identity",
            name="Lab A",
            identity_class="organization",
            contact_information="abuse@lab-a.example, +1 202 555 0143",
        ),
        sco("user-account", account_type="unix", is_service_account=True),
        sco("email-message", is_multipart=False, message_id="<1@mail.example.com>"),
        sco("prompt-template", slot_count=3, prompt_role="system", **PROMPT_TEMPLATE),
        sco("file", hashes={"SHA-256": "4" * 64, "MD5": "4" * 32}),
        sco("x509-certificate", serial_number="4111111111111111"),
        sco("x509-certificate", serial_number="41:11:11:11:11:11:11:11"),
        observed(sco("email-message", is_multipart=False, message_id="<1@mail.example.com>")),
        sco("prompt-template", sketches={"minhash-w3-128": SKETCH}, **PROMPT_TEMPLATE),
        sco("url", value="https://www.google.com@evil.example/login"),
        sco("url", value="https://example.com/user_Profile2026/index.php"),
        sco("domain-name", value="sk-residential-exit-04.example"),
        indicator(x_seen={"user_agentString": "a", "analytic_name": "user_BehaviourModel"}),
        indicator("title: x\nre: '[a-z]+1234567890'\nid: user_behaviour2026\n", pattern_type="sigma"),
        sdo("x-example-cluster", prompt_count=3, prompt_role="user", **CUSTOM),
        observed(object_refs=[f"blinded-identifier--{TELLING}", f"email-addr--{UUID}"]),
        *(
            blinded_identifier(bytes(32), "grp1.2026q4", subject, "+12025550143@x")
            for subject in SUBJECTS[:3]
        ),
    ],
)
def test_what_names_nobody_comes_in(one: dict[str, Any]) -> None:
    check(held(one))


@pytest.mark.parametrize("bundle", sorted(Path(next(iter(indicators.demo.__path__))).glob("*.json")))
def test_the_worked_bundles_come_in_whole(bundle: Path) -> None:
    for one in json.loads(bundle.read_text(encoding="utf-8"))["objects"]:
        check(held(one))


def test_prompt_text_comes_in_from_who_opted_in_and_personal_identifiers_do_not() -> None:
    check(held(sco("prompt-template", template="Think", **PROMPT_TEMPLATE)), prompt_text=True)
    check(held(indicator("[ai-prompt:value = 'Think']")), prompt_text=True)

    personal = sco("prompt-template", template="Write to user@example.com", **PROMPT_TEMPLATE)
    assert refusal(personal, prompt_text=True).code == "personal-email"


def test_prompt_text_that_its_sender_marks_clear_comes_in_and_personal_identifiers_do_not() -> None:
    clear, green = (
        dict[str, Any](object_marking_refs=[marking_id(level)]) for level in (TLP.CLEAR, TLP.GREEN)
    )
    template = sco("prompt-template", template="Think", **PROMPT_TEMPLATE)

    check(held(template | clear))
    check(held(indicator("[ai-prompt:value = 'Think']", **clear)))

    assert refusal(template | green).code == "prompt-text"
    assert refusal(indicator(name="user@example.com", **clear)).code == "personal-email"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
        lambda children: (
            st.lists(children, max_size=3) | st.dictionaries(st.text(min_size=3), children, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_anything_is_either_taken_or_refused_with_a_place(value: Any) -> None:
    stix = StixObject("x--1", "x", "2.1", None, None, None, False, None, (), {"x": value}, "é@".encode())
    place = "/x"
    try:
        check(stix)
    except Personal as refused:
        place = refused.place
    assert place.startswith("/x")


# --- The first look

_GAPS = st.sampled_from(["", " ", "\n", "\t ", " /* a text */ ", " // a text\n", "\u00a0"])
_PATHS = st.sampled_from(
    [
        *("x-y:prompt", "x-y:'prompt'", "x-y:system_prompt", "x-y:prompts[1234567890]", "x-prompt:value"),
        *("prompt-template:template", "ai-prompt:content", "llm-api-activity:prompt_refs[*].template"),
        *("email-addr:value", "email-message:from_ref.value", "user-account:display_name", "x-y:user_id"),
        *("x-y:account_refs[0].account_login", "x-y:'sk-Ab3dEf6hIj9lMn2pQr5t'.z", "x-y:z", "url:value"),
        *("email-message:message_id", "x509-certificate:serial_number", "llm-api-activity:exchange_count"),
    ]
)
_SPELLINGS = [
    lambda text: text,
    re.escape,
    lambda text: "".join(f"[{one}]" if one.isalnum() or one in "@+-" else one for one in text),
    lambda text: "".join(f"\\{one}" if not one.isalnum() else one for one in text),
]


@st.composite
def texts(draw: st.DrawFn) -> str:
    marks = st.text('ab9_ \n\t\x01"\\%()é\u200b', max_size=3)
    return draw(marks) + draw(st.sampled_from([*IDENTIFIERS, "Think aloud", "jo"])) + draw(marks)


@st.composite
def patterns(draw: st.DrawFn) -> str:
    value = draw(st.sampled_from(_SPELLINGS))(draw(texts()))
    literal = "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    operator = draw(st.sampled_from(["=", "!=", "LIKE", "MATCHES", "NOT LIKE", "IN", ">"]))
    literal = f"({literal})" if operator == "IN" else literal
    object_type, _, steps = draw(_PATHS).partition(":")
    gaps = [draw(_GAPS) for _ in range(4)]
    first = draw(st.sampled_from(["", "[a:b = 1] AND "]))
    path = f"{object_type}{gaps[0]}:{gaps[1]}{steps}"
    return f"{first}[{path}{gaps[2] or ' '}{operator}{gaps[3] or ' '}{literal}]"


@st.composite
def objects(draw: st.DrawFn) -> dict[str, Any]:
    form = draw(st.integers(0, 3))
    if form == 0:
        return indicator(draw(patterns()))
    text = draw(texts())
    if form == 1:
        return indicator(x_seen={text: [{"deep": 1}]})
    if form == 2:
        return indicator(x_seen=[{draw(st.sampled_from(["z", "prompt", "x_prompts", "user_id"])): text}])
    kind = draw(st.sampled_from(["ai-prompt", "prompt", "email-addr", "user-account", "x-foo"]))
    key = draw(st.sampled_from(["value", "content", "user_id", "display_name", "hashes", "message_id"]))
    return observed(object_refs=[f"url--{UUID}"], x_inner={"type": kind, key: text})


@settings(max_examples=400)
@given(objects())
def test_the_first_look_misses_nothing_that_the_search_refuses(value: dict[str, Any]) -> None:
    try:
        stix = held(value)
        if not is_suspect(stix):
            search(stix)
    except Personal as missed:
        pytest.fail(f"the first look misses {missed.sentence}")
    except (Refused, PatternError):
        pass  # nothing to look at


@settings(max_examples=400)
@given(objects())
def test_the_first_looks_change_no_word_of_what_is_refused(value: dict[str, Any]) -> None:
    def said(look: Callable[[StixObject], None], stix: StixObject) -> str:
        try:
            look(stix)
        except Personal as refusal:
            return refusal.sentence
        return ""

    try:
        stix = held(value)
        assert said(check, stix) == said(search, stix)
    except (Refused, PatternError):
        pass  # nothing to look at


@settings(max_examples=400)
@given(objects())
@example(
    indicator(
        "[email-message:from_ref.value MATCHES '[4][1][1][1] [1][1][1][1][-][1][1][1][1] [1][1][1][1]']"
    )
)
@example(indicator(r"[url:value = '4111\\\\ 1111\\\\-1111\\\\ 1111']"))
@example(indicator(r"[email-message:from_ref.value MATCHES '4111\\ 1111\\-1111\\ 1111']"))
def test_the_first_looks_miss_nothing_in_what_is_no_object_either(value: dict[str, Any]) -> None:
    value = {**value, "id": 1, "x_window": {"data": value.get("x_inner", {})}}
    # Of two members with one key nothing is known at a first look.
    slowly = b'{"a":1,"a":2,' + raw(value)[1:]

    assert may_hold(slowly) or not may_hold(raw(value))
    try:
        _BrokenCheck(prompt_text=False).member("", "", json.loads(raw(value)))
    except Personal:
        assert may_hold(raw(value))
    else:
        assert not may_hold(raw(value))


# --- What was refused for another reason


def raw(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "broken",
    [
        raw(sco("email-addr", value="jane.doe@[203.0.113.7]")),
        raw(sdo("note", content="of jo@customer.example, 4111111111111111", object_refs=[])),
        raw(indicator("[email-addr:value = 'jo@customer.example'")),
        raw(indicator("[user-account:account_login = 'jo'")),
        raw(indicator("[x-y:prompt = 'Think aloud'")),
        raw(indicator({"x": "jo@customer.example"})),  # type: ignore[arg-type]
        raw({"type": "indicator", "description": "jo@customer.example"}),
        raw([["jo@customer.example"]]),
        raw("4111111111111111"),
        b'{"type": "x", "x": "jo@customer.example", "x": 1}',
        b'{"type": "email-addr", "type": "x", "value": "jo"}',
        b'{"x": "jo\\u0040customer.example"',
        b'{"x": "tel:\\u002b442079460018", ]',
        b'{"x": "\\ud800", "y": "jo@customer.example"}',
        b'{"x": "\\ud800 jo@customer.example"}',
        b'{"x": "\xff jo@customer.example"}',
        b'\xef\xbb\xbf{"x": "jo@customer.example"}',
        b'{"prompt": "Think aloud',
        b'{"type": "x-foo", "user_\\u0069d": "jo"',
        b'{"x":' * 5000 + b'"jo@customer.example"' + b"}" * 5000,
        raw({"x": [*range(100_000), "jo@customer.example"]}),
    ],
)
def test_a_broken_object_may_hold_what_would_have_been_refused_next(broken: bytes) -> None:
    assert may_hold(broken)


@pytest.mark.parametrize(
    "broken",
    [
        raw(indicator("[domain-name:value = 'a.example'")),
        raw(sdo("note", content="a text", object_refs=[])),
        raw({"type": "indicator"}),
        raw(None),
        b'{"x": "\\ud800"}',
        b'{"x": NaN, "y": ',
        b"",
    ],
)
def test_a_broken_object_that_names_nobody_is_kept(broken: bytes) -> None:
    assert not may_hold(broken)


def test_prompt_text_in_a_broken_object_does_no_harm_to_who_opted_in() -> None:
    for broken in (raw(indicator("[ai-prompt:value = 'Think'")), b'{"prompt": "Think'):
        assert may_hold(broken)
        assert not may_hold(broken, prompt_text=True)


@given(st.binary() | st.text().map(str.encode))
def test_whether_anything_may_hold_it_gets_an_answer(anything: bytes) -> None:
    assert may_hold(anything) in (True, False)
