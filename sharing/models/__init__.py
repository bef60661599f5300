"""Collections, their entries, what was decided to leave, and the keys that sign it: one module a concept."""

from sharing.models.collections import Collection, CollectionGrant, Kind, Profile
from sharing.models.erasures import Barred, Erasure, ErasureState
from sharing.models.keys import KeyPurpose, Publisher, Renewal, SigningKey, SubmitterKey
from sharing.models.log import Checkpoint, Entry, LogRefusal, Tile, Witness, Witnessed
from sharing.models.notices import NoticesSeen, Silence
from sharing.models.proposals import Disclosure, Proposal, ProposalKind, ProposalState
from sharing.models.readers import Given, Poll, Way
from sharing.models.releases import Decision, Release, Waiting
from sharing.models.reviews import Review, ReviewState, SavedView
from sharing.models.tallies import DailyCount, Measure, Tally
from sharing.models.trust import TrustFile, TrustRole
from sharing.models.webhooks import (
    Attempt,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Told,
    Webhook,
    WebhookState,
)
from sharing.models.withdrawals import Reached, Withdrawal

__all__ = [
    "Attempt",
    "Barred",
    "Checkpoint",
    "Collection",
    "CollectionGrant",
    "DailyCount",
    "Decision",
    "Delivery",
    "DeliveryKind",
    "DeliveryState",
    "Disclosure",
    "Entry",
    "Erasure",
    "ErasureState",
    "Given",
    "KeyPurpose",
    "Kind",
    "LogRefusal",
    "Measure",
    "NoticesSeen",
    "Poll",
    "Profile",
    "Proposal",
    "ProposalKind",
    "ProposalState",
    "Publisher",
    "Reached",
    "Release",
    "Renewal",
    "Review",
    "ReviewState",
    "SavedView",
    "SigningKey",
    "Silence",
    "SubmitterKey",
    "Tally",
    "Tile",
    "Told",
    "TrustFile",
    "TrustRole",
    "Waiting",
    "Way",
    "Webhook",
    "WebhookState",
    "Withdrawal",
    "Witness",
    "Witnessed",
]
