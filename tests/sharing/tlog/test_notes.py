import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharing.signing.note_keys import NoteKey
from sharing.tlog import notes
from sharing.tlog.notes import MalformedNote, Note, NoteSignature

# The example of C2SP signed-note.
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()


def test_the_example_of_the_specification_verifies() -> None:
    key = NoteKey.from_vkey(VKEY)
    note = notes.read(NOTE)

    assert key.vkey() == VKEY
    assert [key.made(one) for one in note.signatures] == [True]
    assert key.verify(note.text, note.signatures[0].raw) is None


def test_the_text_may_hold_empty_lines_and_another_script() -> None:
    signature = NoteSignature("quasimodo.example/salvatore", b"abcd", b"signature")
    note = Note("Ognuno sta solo\n\ned è subito sera.\n\n", (signature,))

    assert notes.read(bytes(note)) == note


def test_a_later_line_of_the_same_key_takes_the_place_of_the_older() -> None:
    log, older, later = (
        NoteSignature(name, b"abcd", raw) for name, raw in [("a", b"1"), ("w", b"1"), ("w", b"2")]
    )

    assert notes.with_signatures(Note("text\n", (log, older)), [later]).signatures == (log, later)


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"", "empty line"),
        (b"text\n", "empty line"),
        (b"text\n\n", "signature lines"),
        (NOTE[:-1], "newline"),
        (NOTE + b"\n", "signature lines"),
        (NOTE.replace(b"foo Uw", b"foo  Uw"), "base64"),
        (NOTE.replace(b"foo Uw", b"fo+ Uw"), "name"),
        (NOTE.replace(b"foo Uw", "fo\u2003 Uw".encode()), "name"),
        (NOTE.replace("—".encode(), b"-"), "signature line 1"),
        (NOTE.replace(b"example message", b"example\tmessage"), "control"),
        (NOTE.replace(b"\n\n", b"\r\n\r\n"), "control"),
        (NOTE.replace(b"QM=", b"QN="), "base64"),
        (NOTE.replace(b"QM=", b"QM"), "base64"),
        (NOTE.replace(b"This", b"\xff"), "UTF-8"),
        ("text\n\n— a YWJjZA==\n".encode(), "no signature"),
        (b"text\n\n" + "— a YWJjZGU=\n".encode() * 65, "64 signatures"),
        (b"t" * 300_000 + NOTE, "256 KiB"),
    ],
)
def test_what_is_no_note_is_refused_in_a_sentence(raw: bytes, word: str) -> None:
    with pytest.raises(MalformedNote, match=word):
        notes.read(raw)


@given(
    st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_any_bytes_are_refused_or_come_back_the_same(raw: bytes) -> None:
    for candidate in (raw, b"text\n\n" + raw, raw + NOTE, NOTE + raw):
        try:
            note = notes.read(candidate)
        except MalformedNote:
            continue
        assert bytes(note) == candidate
