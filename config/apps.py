"""The wiring as Django applications: the command `serve`, the Celery application, and the desk."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class Wiring(AppConfig):
    name = "config"
    default = True

    def ready(self) -> None:
        # Shared tasks belong to the application made last; without this one they would find Celery's default.
        from config import celery  # noqa: F401


class DeskConfig(AdminConfig):
    """Django's admin, with our site as its default one."""

    default = False
    default_site = "config.desk.Desk"
