"""Django's entry for the indicators app."""

from django.apps import AppConfig


class IndicatorsConfig(AppConfig):
    """What partners sent, and what it says."""

    name = "indicators"
    verbose_name = "What we know"
