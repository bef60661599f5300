"""From the parts of a body to STIX objects: what each format needs to know of the database is looked up here."""

from indicators.actions.submissions import ClaimedSubmission
from indicators.sources import formats
from indicators.sources.items import Item


def items_of(submission: ClaimedSubmission) -> list[Item]:
    """What a submission's parts become, in their order; a part that cannot be read is a refused item."""
    body = submission.body
    parts = formats.split(body, submission.format, max_bytes=len(body))
    return [Item(f"objects/{number}", (part,)) for number, part in enumerate(parts)]
