import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharing.signing.base64url import NotBase64url, decode, encode


@given(st.binary(max_size=80))
def test_encoding_is_that_of_rfc_7515_and_is_read_back(raw: bytes) -> None:
    assert encode(raw) == base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    assert decode(encode(raw)) == raw


@given(st.text(max_size=20) | st.text("ABYZabyz0189-_+/= \n", max_size=20))
def test_only_the_canonical_spelling_is_read(text: str) -> None:
    try:
        raw = decode(text)
    except NotBase64url:
        return
    assert encode(raw) == text


@pytest.mark.parametrize("text", ["A", "AB", "AA=", "AA==", "+A", "/w", "A A", "AA\n", "é", "AAAAA", "AB-"])
def test_every_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(NotBase64url):
        decode(text)
