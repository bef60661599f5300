"""What personal identifiers look like in text: a short list of exact shapes, so that little else is taken for one.

| kind | shape |
|---|---|
| e-mail address | `local@domain.tld`, defanged spellings and `%40` too; not `git@…`, `name@2x.png`, `name@3.11.rc` |
| card number | 14 to 19 digits, groups by single spaces or hyphens, a known issuer and length, the Luhn digit |
| phone number | E.164: `+`, an assigned country code, 10 to 15 digits; no coordinates, no count of things |
| account id | `org_…`, `acct_…`, `cus_…`, `user_…`, `usr_…` and random text; API keys; IBANs |
| login | a user name in a URL; not a host name there, which is what phishing does |

The text is a stranger's: it is searched by RE2, in linear time.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import re2


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of personal identifier: the reason code, what a sentence calls it, and the subjects that blind it."""

    code: str
    noun: str
    subjects: tuple[str, ...]


EMAIL = Kind("personal-email", "an e-mail address", ("email-address",))
CARD = Kind("personal-card", "a card number", ("payment-method",))
PHONE = Kind("personal-phone", "a phone number", ("phone-number",))
ACCOUNT = Kind("personal-account", "an account id", ("account-id", "organization-id"))
LOGIN = Kind("personal-account", "a user name in a URL", ("account-id",))
API_KEY = Kind("personal-account", "an API key", ("api-key",))
IBAN = Kind("personal-account", "a bank account number (IBAN)", ("payment-method",))

KINDS = (EMAIL, CARD, PHONE, ACCOUNT, LOGIN, API_KEY, IBAN)


# --- The first look: what no identifier can do without. Most texts hold none of it.

_ACCOUNT_PREFIX = r"(?:org|acct|cus|user|usr)_[A-Za-z0-9]|(?:org|user)-[A-Za-z0-9]{20}"
_KEY_PREFIX = r"[sr]k[-_]|pk_live_|A[KS]IA[0-9A-Z]|AIza|gh[oprsu]_|github_pat_|glpat-|hf_|xox[abeoprs]-"
_IBAN_START = r"[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4} ?[A-Z0-9]{4}"
# A run of digits is looked at from its beginning: in JSON, an escaped control character may stand before it.
_RUN_START = r"(?:^|[^0-9A-Za-z]|\\[bfnrt]|\\u00[01][0-9a-f])"
SUSPECT = (
    rf"@|%40|[\[({{<] ?(?i:at) ?[\])}}>]|{_RUN_START}[0-9](?:[ -]?[0-9]){{13}}"
    r"|\+\(?[1-9][ ().\-]{0,3}[0-9]"
    rf"|{_ACCOUNT_PREFIX}|{_KEY_PREFIX}|{_IBAN_START}"
)
_suspect = re2.compile(SUSPECT)


def find(text: str) -> Kind | None:
    """The kind of the first personal identifier found in a text, or None."""
    if not text.isascii():
        text = plain(text)
    if not is_suspect(text.encode()):  # bytes spare it the counting of characters
        return None
    text = _refanged(text)
    if "@" in text:
        if "://" in text:
            text = _DISGUISE.sub(r"\1", text)
        if _holds_login(text):
            return LOGIN
        if _holds_email(text):
            return EMAIL
    if _holds_card(text):
        return CARD
    if _holds_phone(text):
        return PHONE
    if _holds_api_key(text):
        return API_KEY
    if _holds_account_id(text):
        return ACCOUNT
    return IBAN if _holds_iban(text) else None


def is_suspect(text: bytes) -> bool:
    """The first look, at the ASCII of a text or of the canonical JSON of many: False only where none has a shape."""
    return _suspect.search(text) is not None


def is_card_number(digits: str) -> bool:
    """Whether digits without separators are a card number: issuer, length and check digit fit."""
    return _is_issued(digits) and _passes_luhn(digits)


_DASHES_AND_INVISIBLES: dict[int, str | None] = {
    **dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2015, 0x2212), "-"),
    **dict.fromkeys((0x00AD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF)),
}


def plain(text: str) -> str:
    """Full-width letters, special spaces and dashes as ASCII has them."""
    return unicodedata.normalize("NFKC", text).translate(_DASHES_AND_INVISIBLES)


_AT = re2.compile(r"(?: ?%40 ?| ?[\[({<] ?@ ?[\])}>] ?)")
#: The word needs more: no spaces around it, or a dot in brackets too. `seen [at] login.example` names nobody.
_AT_TIED = re2.compile(r"(?i)([^ ])[\[({<] ?at ?[\])}>]([^ ])")
_AT_AND_DOT = re2.compile(r"(?i) ?[\[({<] ?at ?[\])}>] ?([^\s@\[\](){}<>]+ ?[\[({<] ?(?:\.|dot) ?[\])}>])")
_DOT = re2.compile(r"(?i) ?[\[({<] ?(?:\.|dot) ?[\])}>] ?")


def _refanged(text: str) -> str:
    if "%40" in text or any(bracket in text for bracket in "[({<"):
        text = text.replace("[://]", "://").replace("[:]", ":")
        text = _AT_AND_DOT.sub(r"@\1", _AT.sub("@", text))
        return str(_DOT.sub(".", _AT_TIED.sub(r"\1@\2", text)))
    return text


# --- E-mail addresses, and user names in URLs

#: What is not ASCII counts as a letter: Unicode's own classes make automata that RE2 has no room for.
_LETTER = r"A-Za-z\x{80}-\x{10ffff}"
_LABEL = rf"[{_LETTER}0-9](?:[{_LETTER}0-9-]*[{_LETTER}0-9])?"
_EMAIL = re2.compile(
    rf"""([{_LETTER}0-9_][{_LETTER}0-9._%+'-]*|"[^"@\n]+")@"""
    rf"((?:{_LABEL}\.)+(?:xn--[A-Za-z0-9-]+|[{_LETTER}][{_LETTER}]+))"
)
_LOGIN = re2.compile(r"""[A-Za-z][A-Za-z0-9+.-]*://([^/?#@\s'"<>]+)@""")
#: A host name where the user name stands, `https://www.google.com@evil.example`: it is there to be taken for the host.
_HOST = (
    r"(?:www\.(?:[a-z0-9-]+\.)*[a-z0-9-]+|(?:[a-z0-9-]+\.)+[a-z0-9-]+\.[a-z]{2}|(?:[a-z0-9-]+\.)+"
    r"(?:ai|app|biz|cloud|com|dev|edu|example|gov|info|int|invalid|io|mil|net|online|org|shop|site|test|top|xyz))"
)
_DISGUISE = re2.compile(rf"(?i)(://){_HOST}(?::[0-9]{{1,5}})?@")
_WWW = re2.compile(r"(?i)www\.[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}")
#: Users of version control and of public archives: programs, not people.
_NOBODY = frozenset(("anonymous", "ftp", "git", "hg", "svn"))
#: Endings of file names that are no top-level domains: `logo@2x.png`, `vue@next.js`.
_FILE_ENDINGS = re.compile(
    "css|csv|dll|exe|gif|gz|html?|ico|jpe?g|js|json|log|mjs|pdf|php|png|svg|txt|webp|xml|ya?ml"
)
#: `python@3.11.rc`; but there are mail services whose name is a number, `163.com`.
_RELEASE = re.compile(r"[0-9]+(?:\.[0-9]+)+\.[a-z]+|[0-9]+\.(?:alpha|beta|dev|final|post|rc|snapshot)")


def _holds_email(text: str) -> bool:
    for match in _EMAIL.finditer(text):
        local, domain = match[1].lower(), match[2].lower()
        if not (
            local in _NOBODY
            or _FILE_ENDINGS.fullmatch(domain.rpartition(".")[2])
            or _RELEASE.fullmatch(domain)
            or _WWW.fullmatch(local)
        ):
            return True
    return False


def _holds_login(text: str) -> bool:
    return "://" in text and any(match[1].lower() not in _NOBODY for match in _LOGIN.finditer(text))


# --- Card numbers

_DIGITS = re2.compile(r"[0-9](?:[ -]?[0-9]){13,}")
#: What names a digest may stand before a short one that happens to have no letters.
_DIGEST = re.compile(r"(?i)(?:crc|md5|sha|sha-?[0-9]{1,3}|sha3-[0-9]{3}|xxh[0-9]*)[:=]$")
_UUID = re2.compile(r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def _holds_card(text: str) -> bool:
    if _DIGITS.search(text) is None:
        return False
    text = _UUID.sub("x", text)
    return any(is_card_number(digits) for match in _DIGITS.finditer(text) for digits in _windows(text, match))


def _windows(text: str, match: re.Match[str]) -> Iterator[str]:
    """What may be a number of its own in a run of digits: neighbouring whole groups, 14 to 19 digits together.

    A group that a letter, an underscore or a decimal point ties to what stands around the run is part of that. All
    groups but the last have three digits or more, which dates and lists of small numbers do not have.
    """
    start, end = match.span()
    groups = re.split("[ -]", match[0])
    if _ties(text[start - 1 : start], text[max(0, start - 2) : start - 1]):
        groups[0] = ""
    if _ties(text[end : end + 1], text[end + 1 : end + 2]):
        groups[-1] = ""
    if text[start - 1 : start] == "+" and sum(map(len, groups)) <= 15:
        return  # a phone number
    if text[start - 1 : start] in (":", "=") and _DIGEST.search(text[max(0, start - 12) : start]):
        groups[0] = ""
    for first in range(len(groups)):
        digits = ""
        for group in groups[first : first + 7]:
            if not group:
                break
            digits += group
            if len(digits) > 19:
                break
            if len(digits) >= 14:
                yield digits
            if len(group) < 3:
                break


def _ties(neighbour: str, beyond: str) -> bool:
    return neighbour.isalnum() or neighbour == "_" or (neighbour == "." and beyond.isdigit())


def _is_issued(digits: str) -> bool:
    """Whether an issuer gives out numbers that begin so and are as long (ISO/IEC 7812, the big networks)."""
    length = len(digits)
    if not 14 <= length <= 19:
        return False
    head = int(digits[:4])
    match digits[0]:
        case "4":  # Visa; no longer of 13 digits, which counts and times have
            return length in (16, 19)
        case "5":  # Mastercard, else Maestro
            return length == 16 if 5100 <= head <= 5599 else length >= 16 and head // 100 in (50, 56, 57, 58)
        case "2":  # Mastercard, Mir
            return length == 16 and (2221 <= head <= 2720 or 2200 <= head <= 2204)
        case "3":
            if head // 100 in (34, 37):  # American Express
                return length == 15
            if 3528 <= head <= 3589:  # JCB
                return length >= 16
            return head <= 3059 or head == 3095 or head // 100 in (36, 38, 39)  # Diners Club
        case "6":  # Discover, UnionPay, RuPay; Maestro
            return length >= 16 and (
                head in (6304, 6759, 6761, 6762, 6763) or head // 100 in (60, 62, 65) or 6440 <= head <= 6499
            )
        case "8":  # UnionPay, RuPay
            return length >= 16 and head // 100 in (81, 82)
        case "9":  # Troy
            return length == 16 and head == 9792
    return False


def _passes_luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    total = sum(map(int, digits[-1::-2])) + sum(_DOUBLED[int(digit)] for digit in digits[-2::-2])
    return total % 10 == 0 and digits.strip(digits[0]) != ""


# --- Phone numbers, account ids, API keys, bank accounts

_PHONE = re2.compile(r"\+\(?[1-9](?:[ ().\-]{0,3}[0-9]){9,}")
_GROUP = re.compile("[0-9]+")
#: ITU-T E.164, assigned codes.
_COUNTRY_CODE = re.compile(
    "1|7|2(?:[07]|1[12368]|[2346][0-9]|5[0-8]|9[01789])|3(?:[0-469]|5[0-9]|7[0-9]|8[0-35-79])|4(?:[013-9]|2[013])"
    "|5(?:[1-8]|0[0-9]|9[0-9])|6(?:[0-6]|7[02-9]|8[0-35-9]|9[0-2])|8(?:[1246]|0[08]|5[02356]|7[08]|8[0-368])"
    "|9(?:[0-58]|6[0-8]|7[0-79]|9[2-689])"
)
_NORTH_AMERICAN = re.compile("[2-9][0-9]{2}[2-9][0-9]{6}")
#: ISO 6709, and pairs of decimal degrees.
_COORDINATES = re.compile(
    r"\+[0-9]{2}(?:[0-9]{2}){0,2}(?:\.[0-9]+)?[+-][0-9]{3}(?:[0-9]{2}){0,2}(?:\.[0-9]+)?(?:[+-][0-9.]+)?/"
    r"|\+[0-9]{1,2}\.[0-9]+[,;]? ?[+-][0-9]{1,3}\.[0-9]+"
)
#: Not in pairs of digits, as some countries write phone numbers.
_IPV4 = re.compile(r"(?<![0-9.])(?![0-9]{2}(?:\.[0-9]{2}){3})[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?!\.?[0-9])")
#: `[a-z]` before a `+`: it is a regular expression.
_CHARACTER_CLASS = re.compile(r"\[\^?(?:\\.|[^\[\]]-[^\[\]])[^\[\]]{0,20}\]$")
#: What is counted is no phone number.
_UNIT = re.compile(
    r"(?i)[ \u00a0]?(?:%|(?:accounts?|addresses|bytes|calls|characters|conversations|domains|entries|events|exchanges"
    r"|files|hits|hosts|indicators|items|lines?|messages|objects|packets|parameters|prompts?|queries|records|requests?"
    r"|responses?|rows|samples|sessions|tokens?|turns|users|views|visits|words|[kmgt]i?b|ms|ns|seconds)\b)"
)
_ACCOUNT = re2.compile(r"\b(?:(?:org|acct|cus|user|usr)_[A-Za-z0-9]{8,}|(?:org|user)-[A-Za-z0-9]{20,})\b")
_API_KEY = re2.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{20,}|[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|pk_live_[A-Za-z0-9]{10,}|A[KS]IA[0-9A-Z]{16}\b"
    r"|AIza[A-Za-z0-9_-]{30,}|gh[oprsu]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_-]{20,}"
    r"|hf_[A-Za-z0-9]{30,}|xox[abeoprs]-[A-Za-z0-9-]{10,})"
)
_IBAN = re2.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
#: Lengths in the SWIFT registry of IBANs.
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}


def _holds_phone(text: str) -> bool:
    return any(_is_phone(text, match) for match in _PHONE.finditer(text))


def _is_phone(text: str, match: re.Match[str]) -> bool:
    start, end = match.span()
    before = text[max(0, start - 40) : start]
    if before[-1:].isalnum() or before.endswith(("+", "/", "=")) or _CHARACTER_CLASS.search(before):
        return False
    if _COORDINATES.match(text, start) or _IPV4.search(text, start + 1, end + 4):
        return False
    groups = _GROUP.findall(match[0])
    code = _COUNTRY_CODE.match(groups[0])
    if code is None:
        return False
    # What follows after a space may be another number: it ends at one of its groups.
    digits = ""
    for group, group_end in ((group[0], group.end()) for group in _GROUP.finditer(match[0])):
        digits += group
        if _is_numbered(code[0], digits[code.end() :]) and not _UNIT.match(text, start + group_end):
            return True
    return False


def _is_numbered(country: str, national: str) -> bool:
    """Whether a country has numbers of this form, as far as they are all alike."""
    if country == "1":
        return _NORTH_AMERICAN.fullmatch(national) is not None
    if country == "7":
        return len(national) == 10
    return 10 <= len(country) + len(national) <= 15


def _holds_account_id(text: str) -> bool:
    return any(_is_random(re.split("[_-]", match[0], maxsplit=1)[1]) for match in _ACCOUNT.finditer(text))


_WORD_OR_NUMBER = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")


def _is_random(text: str) -> bool:
    """Letters and digits or cases change often: `user_behaviour2026` and `user_ProfileView` are words."""
    if text.isdigit():
        return True
    if text == text.lower() and not any(map(str.isdigit, text)):
        return False
    pieces = len(_WORD_OR_NUMBER.findall(text))
    # So that `01ABCdef` is random, and `3rdPartyApp` is not. Words that are long together are long apart.
    return len(text) < (4 if len(text) >= 20 else 2.7) * pieces


def _holds_api_key(text: str) -> bool:
    for match in _API_KEY.finditer(text):
        key = match[0]
        if any(map(str.isdigit, key)) and not (key.startswith("sk-") and _is_name(text, match)):
            return True
    return False


def _is_name(text: str, match: re.Match[str]) -> bool:
    """Whether what begins as an API key is words and numbers with hyphens, or a label of a host name."""
    key = match[0]
    if key == key.lower() and "_" not in key:
        before = text[max(0, match.start() - 3) : match.start()]
        if before.endswith((".", "://")) or _NEXT_LABEL.match(text, match.end()):
            return True
    rest = key[3:]
    return len(rest) >= 5 * len(_WORD_OR_NUMBER.findall(rest))


_NEXT_LABEL = re.compile(r"\.[a-z0-9]")


def _holds_iban(text: str) -> bool:
    return any(_is_iban(match[0]) for match in _IBAN.finditer(text))


def _is_iban(text: str) -> bool:
    length = _IBAN_LENGTHS.get(text[:2], 0)
    # Words in capitals may follow it: it ends at its length, which must be the end of a group.
    spaces = [place for place, character in enumerate(text) if character == " "]
    for end in (*spaces, len(text)):
        compact = text[:end].replace(" ", "")
        if len(compact) == length:
            moved = compact[4:] + compact[:4]
            return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1
    return False
