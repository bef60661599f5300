"""Typed reading of the environment."""

from pathlib import Path

import pytest

from config import env


def test_an_unset_or_blank_variable_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SW_BLANK", "  ")
    assert env.text("SW_BLANK", "default") == "default"
    assert env.integer("SW_UNSET", 3) == 3
    assert env.flag("SW_UNSET", default=True) is True


def test_a_secret_comes_from_the_variable_or_from_the_file_it_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("hidden\n")
    monkeypatch.setenv("SW_KEY_FILE", str(tmp_path / "secret"))
    assert env.secret("SW_KEY") == "hidden"
    monkeypatch.delenv("SW_KEY_FILE")
    monkeypatch.setenv("SW_KEY", "plain")
    assert env.secret("SW_KEY") == "plain"


def test_a_secret_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SW_KEY", "plain")
    monkeypatch.setenv("SW_KEY_FILE", str(tmp_path / "secret"))
    with pytest.raises(env.Misconfigured, match="SW_KEY or SW_KEY_FILE, not both"):
        env.secret("SW_KEY")


@pytest.mark.parametrize("content", [None, "", " \n", b"\xff"])
def test_an_unusable_secret_file_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | bytes | None
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setenv("SW_KEY_FILE", str(file))
    with pytest.raises(env.Misconfigured, match=r"^SW_KEY_FILE: .*secret"):
        env.secret("SW_KEY")


@pytest.mark.parametrize(("raw", "said"), [("8o", "not a whole number"), ("0", "below 1"), ("9", "above 5")])
def test_a_number_out_of_bounds_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, raw: str, said: str
) -> None:
    monkeypatch.setenv("SW_NUMBER", raw)
    with pytest.raises(env.Misconfigured, match=f"^SW_NUMBER: .*{said}"):
        env.integer("SW_NUMBER", 2, minimum=1, maximum=5)


@pytest.mark.parametrize(("raw", "value"), [("1", True), ("Yes", True), ("off", False), ("FALSE", False)])
def test_flags_have_the_usual_spellings(monkeypatch: pytest.MonkeyPatch, raw: str, value: bool) -> None:
    monkeypatch.setenv("SW_FLAG", raw)
    assert env.flag("SW_FLAG", default=not value) is value


def test_other_spellings_of_a_flag_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SW_FLAG", "maybe")
    with pytest.raises(env.Misconfigured, match=r"^SW_FLAG: 'maybe'"):
        env.flag("SW_FLAG", default=False)


def test_a_choice_is_returned_as_it_is_spelled_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SW_CHOICE", "info")
    assert env.choice("SW_CHOICE", ("INFO", "ERROR"), "ERROR") == "INFO"
    monkeypatch.setenv("SW_CHOICE", "loud")
    with pytest.raises(env.Misconfigured, match=r"^SW_CHOICE: 'loud' is not one of INFO, ERROR"):
        env.choice("SW_CHOICE", ("INFO", "ERROR"), "ERROR")


@pytest.mark.parametrize(
    "raw", ["https://a.example", "http://127.0.0.1:8000", "https://[::1]:8443", "http://a/"]
)
def test_a_base_url_loses_only_its_slash(monkeypatch: pytest.MonkeyPatch, raw: str) -> None:
    monkeypatch.setenv("SW_URL", raw)
    assert env.base_url("SW_URL") == raw.rstrip("/")


@pytest.mark.parametrize(
    "raw",
    ["a.example", "ftp://a", "https://", "https://a/path", "https://u@a", "https://a:99999", "https://a?x"],
)
def test_what_is_no_base_url_is_refused(monkeypatch: pytest.MonkeyPatch, raw: str) -> None:
    monkeypatch.setenv("SW_URL", raw)
    with pytest.raises(env.Misconfigured, match=r"^SW_URL: "):
        env.base_url("SW_URL")
