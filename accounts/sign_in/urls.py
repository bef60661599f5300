"""The addresses of signing in, below /admin/. They stand before the admin's own, which they replace."""

from typing import Any

from allauth.account.views import LoginView, LogoutView, PasswordChangeView, ReauthenticateView
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.base.views import ReauthenticateView as CodeAgainView
from allauth.mfa.recovery_codes.views import ViewRecoveryCodesView, download_recovery_codes
from allauth.mfa.totp.views import DeactivateTOTPView
from allauth.mfa.webauthn.views import EditWebAuthnView, ReauthenticateWebAuthnView
from allauth.socialaccount.views import ConnectionsView, LoginCancelledView
from django.conf import settings
from django.db import transaction
from django.urls import include, path
from django.views.generic import RedirectView, TemplateView

from accounts.sign_in import views

SSO = {"provider_id": settings.OIDC_PROVIDER}


def _titled(view: type, title: str) -> Any:
    return view.as_view(extra_context={"title": title})  # type: ignore[attr-defined]


def _changes(view: type, title: str) -> Any:
    """What changes how somebody signs in, and the audit event of it, in one transaction."""
    return transaction.atomic(_titled(view, title))


_help = TemplateView.as_view(template_name="account/password_help.html")
_again = "Confirm that it is you"
_second_factor = [
    path("", _titled(AuthenticateView, "Your second factor"), name="mfa_authenticate"),
    path("again/", _titled(CodeAgainView, _again), name="mfa_reauthenticate"),
    path("again/key/", _titled(ReauthenticateWebAuthnView, _again), name="mfa_reauthenticate_webauthn"),
    path("app/", _changes(views.SetUpApp, "Set up an authenticator app"), name="mfa_activate_totp"),
    path("app/remove/", _changes(DeactivateTOTPView, "Remove the app"), name="mfa_deactivate_totp"),
    path("keys/", RedirectView.as_view(pattern_name="mfa_index"), name="mfa_list_webauthn"),
    path("keys/add/", _changes(views.AddKey, "Add a security key"), name="mfa_add_webauthn"),
    path("keys/<int:pk>/", _titled(EditWebAuthnView, "Rename the key"), name="mfa_edit_webauthn"),
    path("keys/<int:pk>/remove/", _changes(views.RemoveKey, "Remove the key"), name="mfa_remove_webauthn"),
    path("codes/", _titled(ViewRecoveryCodesView, "Recovery codes"), name="mfa_view_recovery_codes"),
    path("codes/new/", _changes(views.NewCodes, "New recovery codes"), name="mfa_generate_recovery_codes"),
    path("codes/file/", download_recovery_codes, name="mfa_download_recovery_codes"),
]
_single_sign_on = [
    path("", views.leave, SSO, name="openid_connect_login"),
    path("callback/", views.come_back, SSO, name="openid_connect_callback"),
    path("cancelled/", _titled(LoginCancelledView, "Not signed in"), name="socialaccount_login_cancelled"),
    path("links/", _changes(ConnectionsView, "Single sign-on"), name="socialaccount_connections"),
]
urlpatterns = [
    path("login/", _titled(LoginView, "Sign in"), name="account_login"),
    path("logout/", _titled(LogoutView, "Sign out"), name="account_logout"),
    path(
        "password_change/",
        _changes(PasswordChangeView, "Change your password"),
        name="account_change_password",
    ),
    path("account/", _titled(views.YourSignIn, "Your sign-in"), name="mfa_index"),
    path("account/again/", _titled(ReauthenticateView, _again), name="account_reauthenticate"),
    path("account/password/", _help, {"forgotten": True}, name="account_reset_password"),
    path("account/no-password/", _help, name="account_set_password"),
    path("account/second-factor/", include(_second_factor)),
    path("account/single-sign-on/", include(_single_sign_on)),
]
