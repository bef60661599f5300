"""The community of the actions' tests, for tests that ask for its pages."""

from tests.sharing.actions.conftest import shop as shop
from tests.sharing.actions.conftest import signer as signer
