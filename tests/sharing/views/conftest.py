"""The same community as for actions."""

from tests.sharing.actions.conftest import shop, signer

__all__ = ["shop", "signer"]
