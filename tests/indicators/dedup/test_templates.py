"""Prompt templates: the normal form, the skeleton of a cluster, the sketch, and the object that shares them."""

import json
import random
import string
from pathlib import Path
from typing import Any

import pytest
from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

import indicators.demo
from indicators.dedup import sketches, templates
from indicators.stix.objects import read

DEMO = Path(indicators.demo.__file__).parent
TEMPLATES = {
    "1-public-campaigns": (
        "You are an expert data analyst combining statistical rigor with deep domain knowledge. Your goal is to deliver"
        " data-driven insights \u2014 not summaries or visualizations \u2014 grounded in real data and supported by"
        " complete and transparent reasoning."
    ),
    "2-synthetic-detections": (
        "You are an expert {{role}} combining statistical rigor with deep domain knowledge. Your goal is to deliver"
        " {{kind}} insights, grounded in {{source}} and supported by complete and transparent reasoning."
    ),
}

# What the normal form has rules for, in any order.
AWKWARD = st.lists(
    st.sampled_from(
        [
            *(
                "{",
                "}",
                "{{",
                "}}",
                "{{slot}}",
                "{}",
                "{n}",
                "{u}",
                "https://x.example/a?b=1",
                "www.x.example",
                "://",
            ),
            *(
                "7",
                "1,000.5",
                "\u0663",
                "\u00b2",
                "\u2460",
                "a",
                "B",
                "\u0130",
                "\u03a3",
                "\u00df",
                "\ufb01",
                "_",
            ),
            *(
                " ",
                "\t",
                "\n",
                "\u00a0",
                "\u2028",
                "\x1f",
                "\u201c",
                "\u2019",
                "`",
                "\u00b4",
                "\u2033",
                "\u2014",
            ),
            *(".", ",", "-", ":", "/", "'", '"', "\u0301", "\u0307", "\u2011", "\uff5b", "\uff5d"),
        ]
    )
).map("".join)
TEXT = st.one_of(AWKWARD, st.text(), st.lists(st.one_of(AWKWARD, st.text(max_size=3))).map("".join))


def demo_object(name: str) -> dict[str, Any]:
    bundle = json.loads((DEMO / f"{name}.json").read_text("utf-8"))
    (found,) = [one for one in bundle["objects"] if one["type"] == "prompt-template"]
    return dict(found)


def cluster(
    count: int, prompt: str = "My dear friend {0}, please rate the answer below from one to ten. {0}"
) -> list[str]:
    return [prompt.format(f"name{number}x") for number in range(count)]


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("  Rate\tthe\n ANSWER ", "rate the answer"),
        ("\ufb01ne \uff21", "fine a"),
        ("\u201cIt\u2019s\u201d \u2014 well\u2013known", '"it\'s" - well-known'),
        ("Hello {{ first name }} and {{x}}{{y}}", "hello {} and {}{}"),
        ("see https://X.example/p?q=1#f, or www.x.example.", "see {u}, or {u}."),
        ("(ftp://x.example/a)", "({u})"),
        ("from 1,000.50 to 7 on 2026-11-22", "from {n} to {n} on {n}-{n}-{n}"),
        ("gpt4 and 3rd stay", "gpt4 and 3rd stay"),
        ("{{model 4 at https://x.example}}", "{}"),
        ("{7} and {https://x.example}", "{} and {}"),
        ("{n} {u} {}", "{n} {u} {}"),
        ("", ""),
    ],
)
def test_the_normal_form(text: str, normal: str) -> None:
    assert templates.normalise(text) == normal


@given(TEXT)
@settings(max_examples=300)
def test_the_normal_form_of_a_normal_form_is_itself(text: str) -> None:
    normal = templates.normalise(text)

    assert templates.normalise(normal) == normal


@pytest.mark.parametrize("unit", ["{", "}", "{{ ", "a", "1", "1,", "www.", "a+", "http://", "{{a", "{1}"])
def test_no_text_takes_long(unit: str) -> None:
    """Quadratic expressions would take minutes for these."""
    templates.normalise(unit * (200_000 // len(unit)))


def test_half_a_surrogate_pair_has_no_normal_form() -> None:
    with pytest.raises(templates.NotText, match="half a surrogate pair"):
        templates.normalise("a\ud800b")


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_objects_of_the_demo_are_made_again_from_their_texts(name: str) -> None:
    expected = demo_object(name)

    made = templates.prompt_template(templates.known(TEMPLATES[name]))

    assert made["hashes"]["SHA-256"] == expected["hashes"]["SHA-256"]
    # The ids are those of the objects without their TLSH.
    assert {key: made[key] for key in ("id", "normalization", "sketches", "slot_count", "extensions")} == {
        key: expected[key] for key in ("id", "normalization", "sketches", "slot_count", "extensions")
    }


@given(st.sets(st.text(alphabet=string.ascii_lowercase + " {}\u00e9", min_size=1), min_size=1))
@settings(max_examples=50)
def test_the_sketch_is_that_of_datasketch_bit_for_bit(shingles: set[str]) -> None:
    reference = MinHash(num_perm=sketches.PERMUTATIONS, seed=1, scheme="affine32")
    reference.update_batch(shingle.encode() for shingle in shingles)

    assert sketches.compute(shingles) == reference.hashvalues.astype(">u4").tobytes()


def test_the_bands_are_the_optimum_of_datasketch() -> None:
    lsh = MinHashLSH(threshold=sketches.RELATED, num_perm=sketches.PERMUTATIONS, weights=(0.01, 0.99))

    assert (lsh.b, lsh.r) == (sketches.BANDS, sketches.ROWS)


@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)))
@settings(max_examples=50)
def test_the_estimate_counts_equal_minima(one: set[int], other: set[int]) -> None:
    first, second = (sketches.compute(map(str, {*numbers, -1})) for numbers in (one, other))

    equal = sum(first[at : at + 4] == second[at : at + 4] for at in range(0, 512, 4))
    assert sketches.similarity(first, second) == equal / 128


def test_the_estimate_is_near_the_jaccard_similarity() -> None:
    for shared in (20, 50, 80):
        one = sketches.compute(f"w {number}" for number in range(100))
        other = sketches.compute(f"w {number}" for number in range(100 - shared, 200 - shared))

        assert sketches.similarity(one, other) == pytest.approx(shared / (200 - shared), abs=0.14)


def test_equal_bands_have_equal_digests_and_others_have_not() -> None:
    one = sketches.compute(["a b c"])
    altered = one[:16] + bytes([one[16] ^ 1]) + one[17:]

    same = [a == b for a, b in zip(sketches.band_digests(one), sketches.band_digests(altered), strict=True)]

    assert same == [True, False] + [True] * 30
    assert all(-(2**63) <= digest < 2**63 for digest in sketches.band_digests(one))


@given(st.binary(min_size=512, max_size=512).filter(lambda raw: raw != b"\xff" * 512))
def test_the_wire_format_is_read_back(raw: bytes) -> None:
    text = sketches.encode(raw)

    assert len(text) == 683
    assert sketches.decode(text) == raw


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A" * 682, "683 characters, not 682"),
        ("A" * 684, "683 characters, not 684"),
        ("A" * 682 + "=", "base64url without padding"),
        ("+" * 683, "base64url without padding"),
        ("\u00e9" * 683, "base64url without padding"),
        (" " + "A" * 682, "base64url without padding"),
        ("A" * 682 + "B", "the last character"),
        (sketches.encode(b"\xff" * 512), "no shingles"),
    ],
)
def test_what_is_no_sketch_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(sketches.Unreadable, match=why) as refusal:
        sketches.decode(text)

    assert refusal.value.sentence.startswith("/sketches/minhash-w3-128: ")


def test_a_skeleton_takes_twenty_prompts() -> None:
    with pytest.raises(templates.NotACluster, match="20 prompts at least, not 19"):
        templates.of_cluster([*cluster(19), " ", ""])

    assert templates.of_cluster(cluster(20)).shingles


def test_a_shingle_belongs_to_the_skeleton_from_a_quarter_of_the_prompts_on() -> None:
    prompts = cluster(40)
    for number in range(10):
        prompts[number] += " do it now"
    for number in range(9):
        prompts[number] += " or never ever"

    skeleton = templates.of_cluster(prompts).shingles

    assert "do it now" in skeleton
    assert "or never ever" not in skeleton


def test_the_template_is_read_off_the_prompts_without_what_varies() -> None:
    found = templates.of_cluster(cluster(30))

    assert found.text == "my dear friend {}, please rate the answer below from one to ten. {}"
    assert found.slot_count == 2
    assert not any("name" in shingle for shingle in found.shingles)


def test_no_word_of_a_few_prompts_is_in_the_template() -> None:
    prompts = [
        f"{prompt} Jane Doe lives in Springfield" if n < 9 else prompt for n, prompt in enumerate(cluster(40))
    ]

    found = templates.of_cluster(prompts)

    assert "jane" not in found.text
    assert not any("jane" in shingle for shingle in found.shingles)


def test_the_order_of_the_prompts_does_not_matter() -> None:
    prompts = [
        *cluster(25),
        *cluster(25, "My dear friend {0}, please rate the answer below from one to five, {0}"),
    ]
    shuffled = random.Random(1).sample(prompts, len(prompts))

    assert templates.of_cluster(shuffled) == templates.of_cluster(prompts)


def test_prompts_that_have_nothing_in_common_are_no_cluster() -> None:
    with pytest.raises(templates.NotACluster, match="no three words in a row"):
        templates.of_cluster(f"word{n} other{n} third{n}" for n in range(30))


@given(st.lists(AWKWARD.filter(str.strip), min_size=1, max_size=3))
@settings(max_examples=50)
def test_the_text_of_a_skeleton_is_in_normal_form_and_can_be_shared(parts: list[str]) -> None:
    prompt = " ".join(["one two three", *parts, "four five six"])

    found = templates.of_cluster([prompt] * 20)

    assert templates.normalise(found.text) == found.text
    assert templates.normalise(templates.shareable_text(found)) == found.text


@pytest.mark.parametrize("text", ["{{} a b c", "{}} a b c", "{}{} a b c", "a {} b {n} c"])
def test_a_slot_beside_a_brace_is_shared_as_it_is(text: str) -> None:
    template = templates.known(text)

    assert template.text == text
    assert templates.normalise(templates.shareable_text(template)) == text


def test_the_object_is_valid_stix_and_holds_no_text_unless_told() -> None:
    found = templates.of_cluster(cluster(30))

    silent = templates.prompt_template(found)
    telling = templates.prompt_template(found, text=templates.shareable_text(found))

    assert "template" not in silent
    assert (
        telling["template"]
        == "my dear friend {{slot}}, please rate the answer below from one to ten. {{slot}}"
    )
    assert telling["id"] == silent["id"]
    for value in (silent, telling):
        assert read(json.dumps(value).encode()).id == silent["id"]


def test_a_text_too_long_to_be_shared_is_refused() -> None:
    with pytest.raises(templates.NotACluster, match="65537 characters"):
        templates.prompt_template(templates.known("a b c"), text="a" * 65537)
