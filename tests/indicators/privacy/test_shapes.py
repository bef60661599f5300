"""What is taken for a personal identifier in a text, and what is not."""

import random
import unicodedata
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicators.privacy import shapes
from indicators.privacy.shapes import ACCOUNT, API_KEY, CARD, EMAIL, IBAN, LOGIN, PHONE, Kind

FOUND: dict[str, Kind] = {
    # E-mail addresses
    "user@example.com": EMAIL,
    "write to <User.Name+tag@mail.example.co>, please": EMAIL,
    "user[@]example[.]com": EMAIL,
    "user [at] example [dot] com": EMAIL,
    "user(at)example(dot)com": EMAIL,
    "https://x.example/reset?to=user%40example.com": EMAIL,
    "mailto:user@example.com": EMAIL,
    "user\uff20example.com": EMAIL,
    "us\u200ber@exa\u200bmple.com": EMAIL,
    "käufer@bücher.example": EMAIL,
    "user@xn--bcher-kva.xn--p1ai": EMAIL,
    '"user name"@example.com': EMAIL,
    "git@github.com and user@example.com": EMAIL,
    # Cards: Visa, Mastercard, American Express, Diners Club, Discover, JCB, UnionPay, Maestro
    "4111111111111111": CARD,
    "paid with 4111 1111-1111 1111 twice": CARD,
    "card:4222222222222220.": CARD,
    "card=4111111111111111": CARD,
    "5555-5555-5555-4444": CARD,
    "2223003122003222": CARD,
    "3782 822463 10005": CARD,
    "30569309025904": CARD,
    "6011111111111117": CARD,
    "3530111333300000": CARD,
    "6200000000000005": CARD,
    "6759649826438453": CARD,
    "4111\u00a01111\u20111111\u20131111": CARD,
    "\uff14\uff11\uff11\uff11111111111111": CARD,
    "42 accounts, 7 2026 4111111111111111 99": CARD,
    "on 2026-11-22 4111111111111111": CARD,
    "4111111111111111 5555555555554444": CARD,
    "card\t4111111111111111\n": CARD,
    # Phone numbers
    "+12025550143": PHONE,
    "call +1 (202) 555-0143 now": PHONE,
    "tel:+44-20-7946-0018": PHONE,
    "+49.30.901820123": PHONE,
    "+1 202 555 0143 2026-11-22": PHONE,
    "+1.2025550143": PHONE,
    "+33 1.42.68.53.00": PHONE,
    "+47 22.33.44.55.": PHONE,
    "+7 495 123-45-67": PHONE,
    "3 tokens by +442079460018 and +13000000000 tokens": PHONE,
    # Account ids, API keys, bank accounts, logins
    "org_01ABCdef": ACCOUNT,
    "of acct_1032D82eZvKYlo2C": ACCOUNT,
    "cus_NffrFeUfNV2Hib": ACCOUNT,
    "user_2ab4cdEF": ACCOUNT,
    "user_a8f3k2m9": ACCOUNT,
    "user_7fe01b2c": ACCOUNT,
    "acct_10328282": ACCOUNT,
    "cus_NffrFeUfNVqHib": ACCOUNT,
    "org-a1B2c3D4e5F6g7H8i9J0k1L2": ACCOUNT,
    "sk-proj-a1b2c3d4e5f6g7h8": API_KEY,
    "key=sk-a1b2c3d4e5f6g7h8i9j0;": API_KEY,
    "https://api.example/?key=sk-Ab3dEf6hIj9lMn2pQr5t": API_KEY,
    "sk-a1b2c3d4e5f6g7h8i9j0. Then": API_KEY,
    "sk_live_a1b2c3d4e5f6": API_KEY,
    "AKIAA1B2C3D4E5F6G7H8": API_KEY,
    "GB82 WEST 1234 5698 7654 32": IBAN,
    "to DE89370400440532013000 AND BACK": IBAN,
    "https://user@shop.example/": LOGIN,
    "ftp://user:secret@203.0.113.7/x": LOGIN,
    "hxxps[://]user[@]shop[.]example/": LOGIN,
    "https://john.smith@shop.example/": LOGIN,
    "https://www.google.com@evil.example/?for=user@example.com": EMAIL,
    "user@163.com": EMAIL,
    "user(at)example.com": EMAIL,
    "user [@] example.com": EMAIL,
    "user [at] mail.example[.]com": EMAIL,
}

PASSED = (
    "",
    "@",
    "@handle and @org/package@1.2.3",
    "user at example dot com",
    "git@github.com:example/repository.git",
    "ssh://git@git.example.org/x.git",
    "https://example.com/@user/post",
    "logo@2x.png",
    "https://cdn.example/npm/vue@2.6.14/dist/vue.js",
    "%@example.com",
    "root@localhost",
    "image@sha256:abc",
    # Host names where a user name stands
    "https://www.google.com@evil.example/login",
    "hxxps://www[.]google[.]com@evil[.]example/login",
    "https://accounts.google.com:443@evil.example/login",
    "https://login.bank.co.uk@evil.example/",
    "www.google.com@evil.example/login",
    "seen [at] login.example",
    "python@3.11.rc",
    "python@3.rc",
    # Digits that are no card
    "4222222222222",
    "tokens 4000000000006",
    "sha256:4111111111111111",
    "sha-1=4111111111111111",
    "4111111111111112",
    "1234567812345670",
    "0000000000000000",
    "4444444444444444444444",
    "41111111111111111111",
    "x4111111111111111",
    "4111111111111111x",
    "4111111111111111_1",
    "3.4111111111111111",
    "4111111111111111.5",
    "412b940d-4111-4111-8111-111111111111",
    "41111111-1111-4111-8111-111111111111",
    "2026-11-22 10:30:00.123456",
    "20261122103000",
    "1790993400000",
    "1790993400000000000",
    "10 11 12 13 14 15 16 17 18 19 20 21",
    "198.51.100.7 203.0.113.9 192.0.2.1",
    # Not phone numbers
    "+15 % of 1000000000000",
    "UTC+10:30",
    "2026-11-22T00:00:00+01:00",
    "+1000000 requests",
    "+1234567890123456789",
    "a+12025550143",
    "growth of +13000000000 tokens",
    "growth of +442079460018 tokens",
    "+2025550143 accounts, +4930901820123% of it",
    "diff +1234567890 lines",
    "[a-z]+1234567890",
    r"[\w.]+442079460018",
    "+40.7128-074.0060/",
    "+404246-0740021/",
    "+40.712812, -74.006012",
    "+1 203.0.113.100",
    "+44 203.0.113.100",
    "+2101234567890",
    "+12021555014",
    # Words
    "user_agentString",
    "user_behaviour2026",
    "user_BehaviourModel",
    "user_3rdPartyApp",
    "https://example.com/user_Profile2026/index.php",
    "sk-residential-exit-04.example",
    "sk-residential-exit-node-2026-04",
    "https://sk-a1b2c3d4e5f6g7h8i9j0.example/",
    "user_agent",
    "user_preferences",
    "org_chart2",
    "task-sk-learn",
    "sk-learn",
    "risk-assessment-2026-of-suppliers",
    "ACME2026",
    "DE89370400440532013001",
)


@pytest.mark.parametrize("text", FOUND)
def test_a_personal_identifier_is_found(text: str) -> None:
    assert shapes.find(text) is FOUND[text]


@pytest.mark.parametrize("text", PASSED)
def test_what_only_looks_like_one_is_passed(text: str) -> None:
    assert shapes.find(text) is None


def luhn_digit(digits: str) -> str:
    """The digit that makes a number pass, worked out another way than in the code under test."""
    total = 0
    for place, digit in enumerate(reversed(digits + "0")):
        value = int(digit) * (2 if place % 2 else 1)
        total += value // 10 + value % 10
    return str(-total % 10)


@st.composite
def cards(draw: st.DrawFn) -> str:
    """A card number of a big network, in one of the spellings that are in use."""
    head, length = draw(
        st.sampled_from(
            [
                *(("4", length) for length in (16, 19)),
                *(("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("34", 15), ("37", 15), ("36", 14)),
                *(("6011", 16), ("65", 16), ("3528", 16), ("62", 16), ("62", 19), ("5018", 16), ("6304", 17)),
            ]
        )
    )
    middle = length - len(head) - 1
    number = head + draw(st.text("0123456789", min_size=middle, max_size=middle))
    number += luhn_digit(number)
    sizes = draw(st.sampled_from([(19,), (4, 4, 4, 4, 3), (4, 6, 9), (6, 13), (3, 5, 11)]))
    spelled, place = "", 0
    for size in sizes:
        if place < len(number):
            spelled += (draw(st.sampled_from(" -")) if place else "") + number[place : place + size]
            place += size
    return spelled


@given(cards(), st.text(), st.text(), st.sampled_from([" ", "\n", ": ", "(", '"', "#", ", "]))
def test_a_card_number_is_found_in_any_text(card: str, before: str, after: str, mark: str) -> None:
    assert shapes.find(f"{before}{mark}{card}{mark}{after}") is not None
    assert shapes.find(f"Paid with {card}.") is CARD


@given(cards(), st.integers(1, 9))
def test_a_card_number_with_a_wrong_digit_is_none(card: str, off: int) -> None:
    wrong = card[:-1] + str((int(card[-1]) + off) % 10)

    assert not shapes.is_card_number("".join(filter(str.isdigit, wrong)))


@given(st.randoms(use_true_random=False), st.integers(0, 1_262_304_000_000_000))
def test_hashes_uuids_and_timestamps_are_none(chance: random.Random, since_2000: int) -> None:
    moment = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=since_2000)
    epoch = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    harmless = [
        *(f"{chance.getrandbits(bits):0{bits // 4}x}" for bits in (128, 160, 256, 512)),
        *(f"{chance.getrandbits(bits):0{bits // 4}X}" for bits in (128, 160, 256, 512)),
        str(UUID(int=chance.getrandbits(128), version=4)),
        str(UUID(int=chance.getrandbits(128), version=5)).upper(),
        moment.isoformat(),
        moment.strftime("%Y%m%d%H%M%S"),
        moment.strftime("%Y-%m-%d %H-%M-%S"),
        *(str(epoch // unit) for unit in (1, 1000, 1_000_000)),
        str(epoch * 1000),
        ".".join(str(chance.randrange(256)) for _ in range(4)),
    ]

    for text in (*harmless, " ".join(harmless[:10])):
        assert shapes.find(f"seen: {text}") is None, text


@given(st.text())
def test_any_text_gets_an_answer_and_its_normal_form_the_same(text: str) -> None:
    assert shapes.find(text) is shapes.find(unicodedata.normalize("NFKC", text))
