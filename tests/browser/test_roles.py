"""Which pages of the sidebar each role can open: there, or as if there were none, or the page to sign in."""

import pytest
import requests
from django.urls import reverse

from accounts.admin.navigation import SECTIONS
from tests.desk import desk_session
from tests.world import World

pytestmark = pytest.mark.browser

DESK = {"Desk", "Coming in", "Going out", "Who"}
PAGES = {
    reverse(item.url): (section.title, item.title) for section in reversed(SECTIONS) for item in section.items
}
