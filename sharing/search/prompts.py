"""Prompt templates by similarity."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts import sql
from indicators.dedup import sketches, templates
from sharing.search.finding import PAGE
from sharing.search.found import Found, shown

MOST_PROMPTS = 200
LOWEST = 0.3
"""Below this similarity a template is not shown."""


class NoTemplate(ValueError):
    """Prompts that nothing can be compared with; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Alike:
    """A prompt template that resembles what was asked for; `similarity` 0..1."""

    subject: Found
    similarity: float

    @property
    def percent(self) -> int:
        """The similarity in whole percent."""
        return round(100 * self.similarity)

    @property
    def verdict(self) -> str:
        """What its similarity means (docs/model.md)."""
        if self.similarity >= sketches.SAME:
            return "the same template"
        return "related" if self.similarity >= sketches.RELATED else "weak: look at both"


def alike(prompts: Sequence[str]) -> list[Alike]:
    """The templates that resemble prompts, the closest first. `NoTemplate`.

    Of 20 prompts or more what they have in common is compared, of fewer each. The prompts go nowhere: neither stored
    nor logged, nor sent to the database.
    """
    wanted = [prompt for prompt in prompts if prompt.strip()]
    if not wanted:
        raise NoTemplate("Paste a prompt.")
    if len(wanted) > MOST_PROMPTS:
        raise NoTemplate(f"At most {MOST_PROMPTS} prompts at once, not {len(wanted):,}.")
    made = []
    try:
        if len(wanted) >= templates.MIN_PROMPTS:
            made.append(templates.of_cluster(wanted))
        else:
            made += [templates.known(prompt) for prompt in wanted]
    except (templates.NotACluster, templates.NotText) as error:
        raise NoTemplate(f"{str(error).capitalize()}.") from None
    own = [sketches.compute(template.shingles) for template in made]
    bands = [(band, digest) for sketch in own for band, digest in enumerate(sketches.band_digests(sketch))]
    best: dict[int, float] = {}
    for subject_id, minima in sql.rows(
        "SELECT k.subject_id, k.minima FROM indicators_sketch k WHERE k.subject_id IN (SELECT near.subject_id"
        " FROM accounts_community c CROSS JOIN unnest(%s::int2[], %s::int8[]) AS own(band, digest) CROSS JOIN LATERAL"
        " (SELECT b.subject_id FROM indicators_sketchband b WHERE b.community_id = c.id AND b.band = own.band"
        "  AND b.digest = own.digest ORDER BY b.tlp, b.subject_id LIMIT 64) near)",
        ([band for band, _ in bands], [digest for _, digest in bands]),
    ):
        similarity = max(sketches.similarity(sketch, bytes(minima)) for sketch in own)
        if similarity >= LOWEST:
            best[subject_id] = similarity
    closest = sorted(best, key=lambda one: (-best[one], one))[:PAGE]
    return [Alike(found, best[found.id]) for found in shown(closest)]
