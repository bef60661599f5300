"""What migrations undo is what the one before them made."""

import re
from importlib import import_module


def test_undoing_erasure_leaves_proposals_as_they_were_before() -> None:
    """With the column gone, a trigger that still names it lets nobody decide a proposal."""
    before = import_module("sharing.migrations.0005_two_people").PROPOSALS
    undone = import_module("sharing.migrations.0014_erasure").PROPOSALS_BEFORE

    assert "erasure" not in undone
    assert body(undone) == body(before)


def body(statements: str) -> str:
    """The function that decides what a proposal may become."""
    found = re.search(r"FUNCTION sharing_proposal_guard.*?END \$\$;", statements, re.DOTALL)
    assert found is not None
    return found[0]
