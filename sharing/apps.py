"""Django's entry for the sharing app."""

from django.apps import AppConfig


class SharingConfig(AppConfig):
    """What leaves, to whom, and signed by whom."""

    name = "sharing"
    verbose_name = "What we let out"
