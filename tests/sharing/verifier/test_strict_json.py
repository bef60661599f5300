import json
from contextlib import suppress

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from sharing.verifier.failures import Malformed
from sharing.verifier.strict_json import MAX_DEPTH, canonical, read, read_object

SAFE = st.integers(-(2**53) + 1, 2**53 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda f: not 2**53 <= abs(f) < 1e21)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none() | st.booleans() | SAFE | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(TEXT, VALUES, max_size=4), st.booleans())
def test_every_strict_object_is_read_back_in_any_layout(value: dict[str, object], ascii_only: bool) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only, indent=1).encode()

    assert canonical(read_object(raw)) == rfc8785.dumps(value)  # type: ignore[arg-type]
    assert canonical(read_object(canonical(value))) == canonical(value)


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:\\u0dnNaI1e9-. ', max_size=60).map(str.encode))
def test_garbage_is_read_or_malformed_and_nothing_else(raw: bytes) -> None:
    with suppress(Malformed):
        read(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"\\u0062":2}}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":1e17}',
        b'{"a":9007199254740992}',
        b'{"a":-9007199254740992}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\\u0000"}',
        b'{"\\u0000":1}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00\\ud800"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xff"}',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        b'{"a":1}x',
        b'{"a":01}',
        b'{"a":"\n"}',
        b"{'a':1}",
        b"",
    ],
)
def test_what_two_parsers_could_read_in_two_ways_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read(raw)


def test_the_largest_integers_and_a_surrogate_pair_are_read() -> None:
    assert read(b"[9007199254740991,-9007199254740991]") == [2**53 - 1, -(2**53) + 1]
    assert read(b'"\\ud83d\\ude00"') == "\U0001f600"


def test_depth_is_counted_from_the_object_itself() -> None:
    def nested(depth: int) -> bytes:
        return b'{"a":' * depth + b"1" + b"}" * depth

    canonical(read_object(nested(MAX_DEPTH)))
    with pytest.raises(Malformed, match="levels deep"):
        read_object(nested(MAX_DEPTH + 1))
    with pytest.raises(Malformed, match="levels deep"):
        canonical(read_object(nested(MAX_DEPTH + 1), depth=MAX_DEPTH + 2))
    with pytest.raises(Malformed, match="levels deep"):
        read(b"[" * 1_000_000)
