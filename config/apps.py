"""The wiring as Django applications: the command `serve`, the Celery application, and the desk."""

from allauth.account.apps import AccountConfig
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


class SignInConfig(AccountConfig):
    """allauth's accounts, whose middleware stands in settings.DESK_MIDDLEWARE."""

    default = False

    def ready(self) -> None:
        # Without allauth's own, which wants its middleware in front of every request.
        from allauth.account import checks  # noqa: F401
