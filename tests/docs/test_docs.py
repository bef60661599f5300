"""The documentation says what the code says: links, reason codes, URLs, commands and examples."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import get_commands
from django.urls import URLPattern

from indicators.dedup import observables
from indicators.models import Outcome
from indicators.privacy import check as privacy
from indicators.privacy.blinding import SUBJECTS
from indicators.sources import csv, misp, ocsf
from indicators.stix import json, validation
from sharing import receipts, urls
from sharing.taxii import errors
from sharing.verifier import failures
from tests.world import World

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
TAXII = (ROOT / "docs" / "taxii.md").read_text(encoding="utf-8")
TRUST = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
EVERYTHING = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
PYTHON = re.findall(
    r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
)
OUR_APPS = {"accounts", "config", "indicators", "sharing"}
KEBAB = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


def links(page: Path) -> list[str]:
    """The targets of a page's links, without those that lead to another host."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text)
    return [link for link in found if "://" not in link and not link.startswith("mailto:")]


def anchors(page: Path) -> set[str]:
    """The fragments of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def strings(path: str, *, of_call: str, position: int) -> set[str]:
    """The codes among the values that calls of a function get at a position."""
    calls = [node for node in nodes(path) if isinstance(node, ast.Call)]
    return {
        code
        for call in calls
        if getattr(call.func, "id", "") == of_call and len(call.args) > position
        for code in constants(call.args[position])
    }


def nodes(path: str) -> Iterator[ast.AST]:
    return ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))


def constants(node: ast.AST) -> set[str]:
    found = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
    return {value for value in found if isinstance(value, str) and KEBAB.fullmatch(value)}


def assigned(path: str, *names: str) -> set[str]:
    """The codes that a module assigns to these variables or attributes, alone or in a tuple."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = (
                    zip(target.elts, node.value.elts, strict=True)
                    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                    else [(target, node.value)]
                )
                for name, value in pairs:
                    if getattr(name, "attr", getattr(name, "id", None)) in names:
                        found |= constants(value)
    return found


def reason_codes() -> set[str]:
    """Every code that a receipt, a status or a refused body can name."""
    return {
        *json.CODES,
        *validation.CODES,
        *observables.CODES,
        *privacy.CODES,
        *ocsf.CODES,
        *csv.CODES,
        *misp.CODES,
        *receipts.SENTENCES,
        *strings("sharing/release/policy.py", of_call="Verdict", position=1),
        *strings("sharing/actions/intake.py", of_call="_Line", position=5),
        *strings("sharing/receipts.py", of_call="_Fate", position=1),
        *assigned("sharing/actions/intake.py", "reason", "code"),
        *assigned("indicators/actions/raw.py", "ERASED"),
    }


def documented_codes() -> set[str]:
    """The codes in the tables of docs/api.md."""
    return set(re.findall(r"^\| `([a-z0-9-]+)` \|", API.split("## Reason codes")[1], re.MULTILINE))


def template(pattern: URLPattern) -> str:
    """A URL pattern as the docs write it, with `{}` for each part that varies."""
    text = re.sub(r"\(\?P<\w+>(?:\[\^/\]|\.)\+\)|<(?:\w+:)?\w+>", "{}", str(pattern.pattern))
    return "/" + text.strip("^$").replace("/?", "/").replace(".*", "…").replace("\\.", ".")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        target, _, fragment = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), link
        assert not fragment or fragment in anchors(file), link


def test_every_page_is_reached_from_the_readme() -> None:
    reached, left = set[Path](), [ROOT / "README.md"]
    while left:
        page = left.pop()
        if page.is_dir():
            left += page.glob("*.md")
        elif page.suffix == ".md" and page not in reached:
            reached.add(page)
            left += [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]
    assert set(PAGES) <= reached


def test_the_docs_list_exactly_the_reason_codes_of_the_code() -> None:
    codes = reason_codes()
    assert {"above-ceiling", "accepted", "duplicate", "invalid-pattern", "rule-met", "not-json"} <= codes
    # The TAXII view says it of a whole submission.
    assert documented_codes() == codes | {"quarantined"}


def test_the_docs_list_every_outcome() -> None:
    told = set(re.findall(r"^\| `([a-z-]+)` \|", API.split("| outcome |")[1].split("\n## ")[0], re.MULTILINE))
    assert told == {*Outcome.values, "pending-review", "released", "withheld"}


def test_the_docs_name_every_error_code_of_taxii() -> None:
    raised = {
        code
        for path in ("errors", "filters", "cursor", "media_types")
        for code in re.findall(
            r'error_code="([a-z-]+)"', (ROOT / f"sharing/taxii/{path}.py").read_text("utf-8")
        )
    }
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    defaults = {kind.default_code for kind in kinds if issubclass(kind, errors.TaxiiError)}
    assert [code for code in sorted(raised | defaults) if f"`{code}`" not in TAXII] == []


def test_the_docs_name_every_exit_code_of_the_verifier() -> None:
    table = dict(re.findall(r"^\| (\d+) \| (.*) \|$", TRUST, re.MULTILINE))
    kinds = failures.VerificationFailed.__subclasses__()
    assert {int(code) for code in table} == {0, 2, 3} | {kind.exit_code for kind in kinds}
    assert {int(code): meaning for code, meaning in table.items()} == dict(failures.EXIT_CODES)


def test_the_docs_name_every_subject_of_blinding() -> None:
    blinding = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").split("## Blinding")[1]
    assert [subject for subject in SUBJECTS if f"`{subject}`" not in blinding] == []


def test_every_url_is_mentioned() -> None:
    mentioned = re.sub(r"\{\w+\}", "{}", EVERYTHING)
    missing = [one for one in map(template, urls.urlpatterns) if f"{one}`" not in mentioned]
    assert missing == []


def test_every_command_is_mentioned() -> None:
    ours = {name for name, app in get_commands().items() if app in OUR_APPS}
    assert {"apply_community", "serve"} <= ours
    assert [name for name in sorted(ours) if not re.search(rf"`(?:manage\.py )?{name}\b", EVERYTHING)] == []


def test_every_target_of_make_that_the_docs_name_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"run", "test"} <= targets
    assert set(re.findall(r"`make ([a-z]+)`|^make ([a-z]+)", EVERYTHING, re.MULTILINE)) <= {
        pair for target in targets for pair in ((target, ""), ("", target))
    }


def test_decisions_are_numbered_without_gaps_and_short() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    for number, page in enumerate(decisions, start=1):
        text = page.read_text(encoding="utf-8")
        assert page.name.startswith(f"{number:04}-")
        assert text.startswith(f"# {number:04} ")
        assert len(text.splitlines()) <= 25
        assert all(f"**{part}" in text for part in ("Context.", "Decision.", "Consequences."))


def test_the_log_has_the_decision_that_the_code_cites() -> None:
    assert (ROOT / "docs" / "decisions" / "0005-a-collection-is-an-append-only-log.md").exists()


@pytest.mark.parametrize("snippet", PYTHON, ids=range(len(PYTHON)))
def test_the_python_of_the_readme_compiles(snippet: str) -> None:
    compile(snippet, "README.md", "exec")


@pytest.mark.parametrize("snippet", PYTHON, ids=range(len(PYTHON)))
def test_the_python_of_the_readme_pulls_the_feed(world: World, snippet: str, tmp_path: Path) -> None:
    one = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid4()}",
        "created": "2026-01-31T12:00:00.000Z",
        "modified": "2026-01-31T12:00:00.000Z",
        "pattern": f"[domain-name:value = 'readme-{uuid4().hex}.example']",
        "pattern_type": "stix",
        "valid_from": "2026-01-31T12:00:00Z",
        "confidence": 90,
        "object_marking_refs": ["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"],
    }
    for organization in ("lab-a", "lab-b"):
        world.submit(organization, [one | {"id": f"indicator--{uuid4()}"}])
    for written, here in (
        ("http://127.0.0.1:8000", world.url),
        ("var/demo-tokens.json", str(world.home / "tokens.json")),
        ("lab-a/siem", "lab-a/ro"),
    ):
        assert written in snippet
        snippet = snippet.replace(written, here)

    done = subprocess.run(
        [sys.executable, "-c", snippet],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert str(one["pattern"]) in done.stdout
