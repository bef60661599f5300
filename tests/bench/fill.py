"""Fills an open collection straight through the one writer, without submissions; runs under `manage.py shell`."""

from uuid import UUID

import msgspec
from django.db import transaction
from django.utils import timezone

from indicators.stix.markings import TLP
from indicators.stix.objects import read
from sharing.actions import publication
from sharing.actions.keys import current_signer
from sharing.actions.publication import Signatures
from tests.bench import material


def fill(collection: str, count: int, seed: int) -> None:
    """Append `count` signed objects."""
    signatures = Signatures(current_signer(now=timezone.now()))
    for batch in material.batches(count, 2000, seed):
        items = [publication.item_of(read(msgspec.json.encode(one)), tlp=TLP.GREEN) for one in batch]
        with transaction.atomic():
            (log,) = publication.lock([UUID(collection)])
            publication.append(log=log, items=items, signatures=signatures, now=timezone.now())
