from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharing.signing.keys import from_seed, ml_dsa_44_from_seed
from sharing.signing.note_keys import NoteSigner, SignatureType
from sharing.tlog.policy import MalformedPolicy, Policy


def vkey(name: str, seed: int, type_: SignatureType = SignatureType.COSIGNATURE_V1) -> str:
    signer = (ml_dsa_44_from_seed if type_ is SignatureType.ML_DSA_44 else from_seed)(bytes([seed]) * 32)
    return NoteSigner(f"{name}.example/w", type_, signer).key.vkey()


X1, X2, X3 = (vkey(f"x{number}", number) for number in (1, 2, 3))
Y1, Y2 = (vkey(f"y{number}", 10 + number, SignatureType.ML_DSA_44) for number in (1, 2))
WITNESSES = f"witness X1 {X1} https://x1.example/\nwitness X2 {X2}\nwitness X3 {X3}\n"

# The example of C2SP tlog-policy, without its log.
TWO_LEVELS = f"""\
# Two organisations.

{WITNESSES}
group X-witnesses 2 X1 X2 X3
 \twitness\tY1  {Y1}
witness Y2 {Y2} \t
group Y-witnesses any Y1 Y2
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def read(text: str) -> Policy:
    return Policy.read(text.encode())


def test_two_levels_of_groups_are_met_by_whom_they_say() -> None:
    policy = read(TWO_LEVELS)
    everyone = ["X1", "X2", "X3", "Y1", "Y2"]

    for count in range(6):
        for some in combinations(everyone, count):
            enough = sum(name[0] == "X" for name in some) >= 2 and any(name[0] == "Y" for name in some)
            assert policy.met_by({*some, "a stranger"}) is enough
    assert policy.needed() == "2 of (2 of X1, X2, X3), (1 of Y1, Y2)"
    assert policy.witnesses["X1"].url == "https://x1.example/"
    assert policy.witnesses["Y2"].vkey == Y2


def test_one_witness_can_be_the_quorum() -> None:
    policy = read(f"{WITNESSES}quorum X2\n")

    assert (policy.met_by({"X1", "X3"}), policy.met_by({"X2"}), policy.needed()) == (False, True, "X2")


def test_a_policy_may_ask_for_nobody() -> None:
    policy = read("quorum none\n")

    assert policy.met_by(set())
    assert policy.needed() == "no witness"


def test_names_are_octets() -> None:
    policy = Policy.read(b"witness \xff\xfe " + X1.encode() + b"\nquorum \xff\xfe\n")

    assert not policy.met_by({"\xff\xfe"})
    assert policy.met_by(set(policy.witnesses))
    assert policy.needed().encode()


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("", 0, "quorum"),
        (WITNESSES, 3, "quorum"),
        ("quorum none", 1, "newline"),
        ("quorum none\nquorum none\n", 2, "already"),
        ("quorum X1\n", 1, "before"),
        (f"quorum X1\n{WITNESSES}", 1, "before"),
        (f"witness none {X1}\nquorum none\n", 1, "taken"),
        (f"{WITNESSES}witness X1 {Y1}\nquorum X1\n", 4, "taken"),
        (f"{WITNESSES}witness X4 {X1}\nquorum X1\n", 4, "same public key"),
        (f"witness L {vkey('l', 5, SignatureType.ED25519)}\nquorum L\n", 1, "0x04"),
        ("witness X1 X1\nquorum X1\n", 1, "verifier key"),
        (f"witness X1 {X1} u r\nquorum X1\n", 1, "words"),
        ("witness\nquorum none\n", 1, "words"),
        (f"{WITNESSES}group g 4 X1 X2 X3\nquorum g\n", 4, "never"),
        (f"{WITNESSES}group g 0 X1\nquorum g\n", 4, "number"),
        (f"{WITNESSES}group g 1\nquorum g\n", 4, "words"),
        (f"{WITNESSES}group g two X1 X2\nquorum g\n", 4, "number"),
        (f"{WITNESSES}group g 1 X1 X1\nquorum g\n", 4, "once"),
        (f"{WITNESSES}group g 1 X1\ngroup h 1 X1\nquorum g\n", 5, "once"),
        (f"{WITNESSES}group g 1 g\nquorum g\n", 4, "before"),
        (f"{WITNESSES}group g 1 none\nquorum g\n", 4, "before"),
        (f"log {X1}\nquorum none\n", 1, "collections.json"),
        ("quorum none\r\n", 1, "control"),
        ("policy\nquorum none\n", 1, "begins"),
        ("#" * 1024 * 1024 + "\nquorum none\n", None, "1 MiB"),
    ],
)
def test_a_fault_is_named_with_its_line(text: str, line: int | None, word: str) -> None:
    with pytest.raises(MalformedPolicy, match=word) as caught:
        read(text)
    assert line is None or str(caught.value).startswith(f"line {line}: ")


@given(st.text(alphabet="witnesgroupqm X1230nanyall\n\t#", max_size=200) | st.text(max_size=50))
def test_any_text_is_a_policy_or_refused(text: str) -> None:
    for candidate in (text, f"{WITNESSES}{text}", f"{WITNESSES}group g 1 {text}\nquorum g\n"):
        try:
            policy = Policy.read(candidate.encode("utf-8", "surrogatepass"))
        except MalformedPolicy:
            continue
        assert policy.met_by(set(policy.witnesses))
