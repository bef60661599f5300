"""The desk's pages on who; importing them registers them."""

from django.contrib import admin
from django.contrib.auth.models import Group

from accounts.admin import audit, people

admin.site.unregister(Group)

__all__ = ["audit", "people"]
