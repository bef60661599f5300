"""The desk's pages on who; importing them registers them."""

from django.contrib import admin
from django.contrib.auth import admin as _registers_groups  # noqa: F401
from django.contrib.auth.models import Group

from accounts.admin import audit, people

admin.site.unregister(Group)

__all__ = ["audit", "people"]
