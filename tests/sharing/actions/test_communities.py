"""A community file that is wrong is told the place, and changes nothing (interface.md, "Community file")."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEvent, Organization
from indicators.models import Source
from sharing.models import Collection
from tests.sharing.actions.conftest import Shop

WRONG_FILES = {
    "organizations: [{slug: x, name: X, sector: martian}]": "$.organizations[0].sector",
    "organizations: [{slug: x, name: X}]": "sector",
    "organizations: [{slug: Bad Slug, name: X, sector: researcher}]": "$.organizations[0].slug",
    "organizations: [{slug: x, name: X, sector: researcher, relyability: A}]": "relyability",
    "organizations: [{slug: x, name: X, sector: researcher, tokens: [{name: t, scopes: [everything]}]}]": "scopes",
    "organizations: [{slug: x, name: X, sector: researcher, prompt_text: maybe}]": "$.organizations[0].prompt_text",
    "communities: [{slug: x, title: X, members: [], personal_data: some}]": "$.communities[0].personal_data",
    "communities: [{slug: x, title: X, members: [nobody-there]}]": "nobody-there",
    "communities: [{slug: x, title: 'X, Y', members: []}]": "$.communities[0].title",
    "communities: [{slug: x, title: X, members: [], review: {auto_release: some}}]": "auto_release",
    "communities: [{slug: x, title: X, members: [], collections:"
    " [{alias: inbox, title: I, kind: open, ceiling: red}]}]": ("communities[x].collections[inbox].alias"),
    "communities: [{slug: x, title: X, members: [], collections: [{alias: f, title: F, kind: feed, ceiling: red}]}]": (
        "communities[x].collections[f]"
    ),
    "communities: [{slug: shop, title: F, members: [lab-a], collections:"
    " [{alias: shelf, title: A, kind: open, ceiling: green}]}]": "communities[shop].collections[shelf].ceiling",
    "communities: [{slug: shop, title: S, members: [lab-a], sources:"
    " [{name: S, kind: taxii, organization: lab-b, url: 'https://x.test/', collection: c}]}]": "lab-b are no members",
    "communities: [{slug: shop, title: S, members: [lab-a], sources:"
    " [{name: S, kind: taxii, organization: lab-a, url: 'http://x.test/', collection: c}]}]": "sources[S]: The scheme",
    "organizations: [": "YAML",
    "- 1": "object",
}


@pytest.mark.parametrize("text", WRONG_FILES)
def test_a_wrong_file_is_told_the_place_and_changes_nothing(shop: Shop, tmp_path: Path, text: str) -> None:
    Collection.objects.create(community=shop.community, alias="shelf", title="A", kind="open", ceiling=2)
    file = tmp_path / "wrong.yaml"
    file.write_text(text)

    with pytest.raises(CommandError) as refusal:
        call_command("apply_community", str(file))

    assert str(refusal.value).startswith(f"{file}: ")
    assert WRONG_FILES[text] in str(refusal.value)
    assert AuditEvent.objects.count() == 0
    assert set(Organization.objects.values_list("slug", flat=True)) == {"lab-a", "lab-b", "outsider"}


def test_an_organisation_opts_in_to_prompt_text_and_out_again(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "community.yaml"
    stands = "slug: lab-a, name: Lab-A, sector: ai-lab, reliability: B"
    assert shop.lab_a.prompt_text == "refuse"

    for extra, wanted in ((", prompt_text: allow", "allow"), ("", "refuse")):
        file.write_text(f"organizations: [{{{stands}{extra}}}]")
        call_command("apply_community", str(file))

        assert Organization.objects.get(slug="lab-a").prompt_text == wanted
    assert [one.detail for one in AuditEvent.objects.order_by("id")] == [
        {"before": {"prompt_text": "refuse"}, "after": {"prompt_text": "allow"}},
        {"before": {"prompt_text": "allow"}, "after": {"prompt_text": "refuse"}},
    ]


def test_a_file_makes_and_changes_sources_and_leaves_those_that_it_does_not_name(
    shop: Shop, tmp_path: Path
) -> None:
    file = tmp_path / "community.yaml"
    source = "kind: taxii, organization: lab-a, url: 'https://upstream.example/root/', collection: iocs"

    for text, standing in (
        (f"[{{name: First, {source}}}]", {"First": 15}),
        (f"[{{name: First, {source}, interval_minutes: 60}}]", {"First": 60}),
        (f"[{{name: Second, {source}}}]", {"First": 60, "Second": 15}),
        (f"[{{name: Second, {source}}}]", {"First": 60, "Second": 15}),
    ):
        file.write_text(f"communities: [{{slug: shop, title: Shop, members: [lab-a], sources: {text}}}]")
        call_command("apply_community", str(file))
        assert dict(Source.objects.values_list("name", "interval_minutes")) == standing

    actions = AuditEvent.objects.filter(action__startswith="source.").order_by("id")
    assert [one.action for one in actions] == ["source.add", "source.change", "source.add"]
