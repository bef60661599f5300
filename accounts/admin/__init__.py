"""The desk's pages on who; importing them registers them."""

from allauth.account import admin as _registers_addresses  # noqa: F401
from allauth.account.models import EmailAddress
from allauth.mfa import admin as _registers_second_factors  # noqa: F401
from allauth.mfa.models import Authenticator
from allauth.socialaccount import admin as _registers_links  # noqa: F401
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin
from django.contrib.auth import admin as _registers_groups  # noqa: F401
from django.contrib.auth.models import Group

from accounts.admin import audit, people

# What libraries put at the desk, and what has no place there: each is somebody's own, or a secret.
admin.site.unregister([Group, EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken])

__all__ = ["audit", "people"]
