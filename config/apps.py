"""The wiring as a Django application: the command `serve`, and the Celery application."""

from django.apps import AppConfig


class Wiring(AppConfig):
    name = "config"

    def ready(self) -> None:
        # Shared tasks belong to the application made last; without this one they would find Celery's default.
        from config import celery  # noqa: F401
