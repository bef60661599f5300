"""What weighs of what was said of subjects: claims, and remarks on indicators, with their organisations' grades."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts import sql
from indicators.actions.observations import IS_LIMITED


@dataclass(frozen=True, slots=True)
class Claim:
    """A row of `indicators_claim` with its organisation's grade.

    `home_id` and `detector_id` as there; `split_off`: the subject is none that an id leads to, but was split off from
    one; `limited`: its detector is limited to review; `erased`: nothing of what it said is kept.
    """

    subject_id: int
    object_type: str
    organization_id: UUID
    reliability: str
    submission_id: UUID
    object_id: str
    version: str
    tlp: int
    stated_tlp: int
    references: list[str]
    body: bytes
    signature: str
    sender_signature: str
    first_received_at: datetime
    received_at: datetime
    revoked: bool
    withdrawn_at: datetime | None
    home_id: int | None
    split_off: bool
    platforms: list[str]
    detector_id: int | None
    limited: bool
    erased: bool = False

    @property
    def is_live(self) -> bool:
        """Whether its source stands by it."""
        return not self.revoked and self.withdrawn_at is None

    @property
    def is_overridden(self) -> bool:
        """Whether an analyst gave it another TLP: then its source's own bytes bear the wrong one."""
        return self.tlp != self.stated_tlp


@dataclass(frozen=True, slots=True)
class Remark:
    """A row of `indicators_remark` with its organisation's grade: what it saw, or with a stance what it thinks.

    `limited` as of a `Claim`.
    """

    target: str
    organization_id: UUID
    reliability: str
    platforms: list[str]
    tlp: int
    stance: str | None
    seen_at: datetime
    received_at: datetime
    confidence: int | None
    fpr: float | None
    families: list[str]
    limited: bool


#: So many of an organisation's claims on one indicator weigh, and the first ones.
MOST_CLAIMS = 100


def load_claims(subject_ids: Iterable[int]) -> dict[int, list[Claim]]:
    """The claims on subjects that weigh, oldest first.

    A detector may find the same thousands of times. Of the claims on an indicator by one organisation and detector, at
    one TLP, the newest `MOST_CLAIMS` that stand weigh, and the one that came first; likewise of those that were
    withdrawn. What lies above a ceiling takes no place from what lies below.
    """
    claims: dict[int, list[Claim]] = {subject_id: [] for subject_id in subject_ids}
    crowded = [
        subject_id
        for (subject_id,) in sql.rows(
            "SELECT c.subject_id FROM indicators_claim c JOIN indicators_subject s ON s.id = c.subject_id"
            " WHERE c.subject_id = ANY(%s) AND s.object_type = 'indicator' GROUP BY 1 HAVING count(*) > %s",
            (list(claims), MOST_CLAIMS),
        )
    ]
    weighing = [claim_id for (claim_id,) in (sql.rows(_WEIGHING, (crowded, MOST_CLAIMS)) if crowded else ())]
    for row in sql.rows(
        "SELECT c.subject_id, s.object_type, c.organization_id, o.reliability, c.submission_id, c.object_id, c.version,"
        ' c.tlp, c.stated_tlp, c."references", c.body, c.signature, c.sender_signature,'
        " c.first_received_at, c.received_at, c.revoked, c.withdrawn_at, c.home_id,"
        " s.object_type <> 'indicator' AND octet_length(s.key) = 32, o.platforms,"
        f" c.detector_id, {IS_LIMITED}, c.erased_at IS NOT NULL"
        " FROM indicators_claim c JOIN indicators_subject s ON s.id = c.subject_id"
        " JOIN accounts_organization o ON o.id = c.organization_id"
        " LEFT JOIN indicators_detector d ON d.id = c.detector_id"
        " WHERE c.subject_id = ANY(%s) OR c.id = ANY(%s) ORDER BY c.first_received_at, c.id",
        (list(claims.keys() - set(crowded)), weighing),
    ):
        claims[row[0]].append(Claim(*row))
    return claims


def may_be_more(number: int) -> bool:
    """Whether so many claims on one subject may be all that are loaded, and not all that there are."""
    return number >= MOST_CLAIMS


# One sort serves both windows.
_WEIGHING = """
SELECT id FROM (
  SELECT c.id, row_number() OVER (alike ORDER BY c.received_at DESC, c.id DESC) AS newest, min(c.id) OVER alike AS first
  FROM indicators_claim c WHERE c.subject_id = ANY(%s)
  WINDOW alike AS (PARTITION BY c.subject_id, c.tlp, c.organization_id, c.detector_id, c.home_id,
                   c.revoked OR c.withdrawn_at IS NOT NULL)
) ranked WHERE newest <= %s OR id = first
"""


def load_remarks(
    community_id: UUID, names: Iterable[str], *, without_detector: int | None = None
) -> dict[str, list[Remark]]:
    """What was seen and thought of indicators, by the ids that it names.

    Of each organisation, TLP and kind the latest; where that is of a limited detector, also the latest that is not.
    """
    remarks: dict[str, list[Remark]] = {}
    for row in sql.rows(
        f"SELECT DISTINCT ON (r.target, r.organization_id, r.tlp, r.stance IS NULL, {IS_LIMITED})"
        " r.target, r.organization_id, o.reliability, o.platforms, r.tlp, r.stance, r.seen_at, r.received_at,"
        f" r.confidence, r.fpr, r.families, {IS_LIMITED}"
        " FROM indicators_remark r JOIN accounts_organization o ON o.id = r.organization_id"
        " LEFT JOIN indicators_detector d ON d.id = r.detector_id"
        f" WHERE r.community_id = %s AND r.target = {sql.ONE_OF} AND r.is_live"
        " AND (%s::int8 IS NULL OR r.detector_id IS DISTINCT FROM %s::int8)"
        f" ORDER BY r.target, r.organization_id, r.tlp, r.stance IS NULL, {IS_LIMITED}, r.seen_at DESC, r.id DESC",
        (community_id, sql.joined(names), without_detector, without_detector),
    ):
        remarks.setdefault(row[0], []).append(Remark(*row))
    return remarks
