"""`stillwatch template`, as a partner without the server runs it."""

import json
from pathlib import Path

from indicators.stix.objects import read
from tests.sharing.verifier.test_cli import stillwatch

PROMPTS = [f"My dear friend Nr{n}, please rate the answer below from one to ten" for n in range(25)]


def plain(prompts: list[str]) -> bytes:
    return "\n".join(prompts).encode()


def as_json(prompts: list[str]) -> bytes:
    return "\n".join(json.dumps(prompt) for prompt in prompts).encode()


def test_prompts_become_an_object_that_the_service_accepts_without_any_text_of_theirs() -> None:
    """The verifier's bare install is enough."""
    result = stillwatch("template", "-", "--tlp", "amber", stdin=plain(PROMPTS))

    assert (result.returncode, result.stderr) == (0, b"")
    made = read(result.stdout)
    assert (made.type, made.tlp, made.value["slot_count"]) == ("prompt-template", 2, 1)
    assert b"friend" not in result.stdout


def test_json_strings_are_the_same_prompts(tmp_path: Path) -> None:
    file = tmp_path / "prompts.ndjson"
    file.write_bytes(as_json([prompt.replace("friend", "friend\n") for prompt in PROMPTS]) + b"\n\n")

    result = stillwatch("template", str(file))

    assert result.stdout == stillwatch("template", "-", stdin=plain(PROMPTS)).stdout


def test_the_text_is_shared_on_request() -> None:
    result = stillwatch("template", "-", "--with-text", stdin=plain(PROMPTS))

    assert json.loads(result.stdout)["template"] == (
        "my dear friend {{slot}}, please rate the answer below from one to ten"
    )


def test_a_known_template_is_taken_as_it_is() -> None:
    result = stillwatch("template", "-", "--known", "--with-text", stdin=b"Rate {{this}}, and\nonly this.\n")

    made = json.loads(result.stdout)
    assert (made["template"], made["slot_count"]) == ("Rate {{this}}, and\nonly this.", 1)


def test_what_cannot_be_used_is_named_with_the_reason(tmp_path: Path) -> None:
    for stdin, arguments, why in (
        (plain(PROMPTS[:19]), ["-"], "-: a cluster has 20 prompts at least, not 19"),
        (b"", ["-"], "-: a cluster has 20 prompts at least, not 0"),
        (as_json(PROMPTS) + b"\nno JSON", ["-"], "line 26 is no JSON string as line 1 is"),
        (b'{"prompt": "a b c"}\n' * 30, ["-"], "line 1 is a JSON object; give JSON strings"),
        (b"a b c\n\xff", ["-"], "line 2 is not UTF-8"),
        (b'"a \\ud800 c"\n' * 20, ["-"], "half a surrogate pair"),
        (b"two words", ["-", "--known"], "three words at least"),
        (b"", [str(tmp_path / "absent")], "there is no such file"),
        (b"", [str(tmp_path)], "cannot be read: Is a directory"),
    ):
        result = stillwatch("template", *arguments, stdin=stdin)

        assert (result.returncode, result.stdout) == (2, b"")
        assert why in result.stderr.decode()
        assert b"Traceback" not in result.stderr


def test_lines_that_look_like_json_are_prompts_if_told() -> None:
    result = stillwatch("template", "-", "--plain", stdin=b'{"task": "rate the answer below"}\n' * 20)

    assert result.returncode == 0
