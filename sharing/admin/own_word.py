"""Saying something of one's own about what others say: where one begins from the page of a case, and with what."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from accounts.admin.base import came_from
from accounts.models import Member
from indicators.drafting import compose, own_word
from indicators.drafting.forms import FORMS, writes
from indicators.models import Claim, Draft, DraftState
from indicators.stix.json import Refused
from sharing import writing
from sharing.case import Case, seen_by
from sharing.desk import OwnWord, ShownClaim, claims_on, own_object
from sharing.models import Collection, Review

_FIELDS = (
    "pattern",
    "source_ref",
    "target_ref",
    "relationship_type",
    "sighting_of_ref",
    "object_refs",
    "name",
)
#: What a link to a new draft may say: whose id it bears, which case it begins with, where one came from, and fields.
BROUGHT = ("object", "case", "back", *_FIELDS)


@dataclass(frozen=True, slots=True)
class Way:
    """Somewhere to write: what it does, in words, and its address.

    `back`: where one comes back to, if it is posted, as it begins a version at once; other addresses say it themselves.
    """

    label: str
    address: str
    back: str = ""


def ways(review: Review, member: Member, shown: Case, *, back: str) -> list[Way]:
    """Where an analyst says something of their organisation's about a case, what is meant most first.

    Empty where the organisation has no inbox in the community: it can say nothing there.
    """
    if member.organization_id is None or review.community_id not in {
        one.community_id for one in writing.inboxes(member.organization_id)
    }:
        return []
    own = own_object(review.release.subject_id, member.organization_id)
    speaks = _speaks(shown.claims)
    found = [] if own is None else [_of_own(review, own, back)]
    value = shown.value
    if speaks is None or not value:
        return found
    is_own = own is not None and (own.stands or own_word.shares_id(value["type"]))
    if writes(value) and not is_own:
        form, brought = FORMS[value["type"]], {"case": str(review.id)}
        if own_word.shares_id(value["type"]):
            brought["object"] = speaks.object_id
        found.insert(
            0, Way(f"Write our own: {form.title.lower()}", _new(review, value["type"], back, brought))
        )
    if value["type"] not in own_word.REMARKS:
        found += [
            Way(label, _new(review, remark, back, {"object_refs": speaks.object_id}))
            for remark, label in (("opinion", "Give an opinion"), ("note", "Add a note"))
        ]
    return found


def begin(request: HttpRequest, base: dict[str, Any]) -> dict[str, Any]:
    """A blank object with what the link brought along: what a case shows, and fields by name, as far as they fit."""
    base = _from_case(request.GET.get("case", ""), request.GET.get("community", ""), base)
    read: dict[str, Any] = {}
    for field in FORMS[base["type"]].fields:
        given = [one[:8192].replace("\0", "") for one in request.GET.getlist(field.name)]
        if field.name not in _FIELDS or not given:
            continue
        if field.kind in {"reference", "references"}:
            try:
                ids = [compose.read_reference(one) for one in given]
            except Refused:
                continue
            read[field.name] = ids if field.kind == "references" else ids[0]
        else:
            read[field.name] = given[0]
    return compose.compose(base["type"], read, base=base)


def begun_already(request: HttpRequest, object_type: str, inbox: Collection) -> HttpResponse | None:
    """Where what is asked for was begun or said already: one object of the organisation's is enough."""
    named = object_id(request.GET, object_type)
    place = {"community_id": inbox.community_id, "organization_id": inbox.owner_id, "object_id": named}
    if named is None:
        return None
    begun = Draft.objects.filter(**place, state=DraftState.DRAFT).first()
    if begun is not None:
        return to_draft(request, begun.id)
    if Claim.objects.filter(**place).exists():
        messages.info(request, "Your organisation says this already.")
        return redirect("admin:said_object", inbox.community_id, named)
    return None


def object_id(asked: Mapping[str, Any], object_type: str) -> str | None:
    """The id that a new draft bears, where one is asked for: that of what others say the same of."""
    text = asked.get("object", "")
    if not text:
        return None
    try:
        found = compose.read_reference(text)
    except Refused:
        raise Http404 from None
    if found.partition("--")[0] != object_type or not own_word.shares_id(object_type):
        raise Http404
    return found


def to_draft(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """To the page of a draft, which goes on leading back to where the member came from."""
    back = came_from(request)
    address = reverse("admin:draft", args=[draft_id])
    return redirect(f"{address}?{urlencode({'back': back})}" if back else address)


def _from_case(review_id: str, community_id: str, base: dict[str, Any]) -> dict[str, Any]:
    """What the audience of a case would see, in a form of that type; the blank object where there is nothing of it."""
    if not (review_id.isascii() and review_id.isdigit() and len(review_id) < 19):
        return base
    review = Review.objects.select_related("release").filter(id=int(review_id)).first()
    if review is None or str(review.community_id) != community_id:
        return base
    seen = seen_by(review, now=timezone.now())
    if not seen or seen["type"] != base["type"] or not writes(seen):
        return base
    speaks = _speaks(claims_on(review.release.subject_id, ceiling=review.release.ceiling))
    return base if speaks is None else own_word.begun(seen, json.loads(speaks.text), base=base)


def _speaks(claims: list[ShownClaim]) -> ShownClaim | None:
    """The first claim that stands: by its id others can name what it is about."""
    return next((one for one in claims if not one.state), None)


def _of_own(review: Review, own: OwnWord, back: str) -> Way:
    place = [review.community_id, own.object_id]
    if own.stands and writes(own.body):
        return Way("Edit what we say of it", reverse("admin:said_edit", args=place), back)
    return Way(
        "What we said of it", f"{reverse('admin:said_object', args=place)}?{urlencode({'back': back})}"
    )


def _new(review: Review, object_type: str, back: str, brought: dict[str, str]) -> str:
    asked = {"community": str(review.community_id), **brought, "back": back}
    return f"{reverse('admin:draft_new', args=[object_type])}?{urlencode(asked)}"
