"""The community of the actions' tests, and the operator beside it."""

import pytest

from accounts.models import Organization
from tests.sharing.actions.conftest import NOW
from tests.sharing.actions.conftest import shop as shop
from tests.sharing.actions.conftest import signer as signer


@pytest.fixture
def operator(db: None) -> Organization:
    return Organization.objects.create(slug="hub", name="Hub", sector="operator", created_at=NOW)
