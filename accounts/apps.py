"""Django's entry for the accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Organisations and the people and programs that act for them."""

    name = "accounts"
    verbose_name = "Who"
