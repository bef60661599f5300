"""The settings of everything but the signer, which has its own (`config.signer_settings`).

Two modes, chosen by STILLWATCH_MODE:

* `local` (the default) needs no setting at all: secrets are made on first use under STILLWATCH_HOME, the
  database and the broker are the embedded ones unless DATABASE_URL or CELERY_BROKER_URL name others.
* `production` makes nothing up and refuses to start half-configured: it lists every variable that is missing.

docs/operations.md describes each variable.
"""

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONCE, NONE, SELF, UNSAFE_INLINE
from django.templatetags.static import static
from django.urls import reverse_lazy
from psycopg.conninfo import conninfo_to_dict

from config import embedded, env
from config.signer_settings import (  # noqa: F401 - settings
    LOG_LEVEL,
    LOGGING,
    LOGGING_CONFIG,
    MODE,
    READ_SIGNING_PASSPHRASE,
    SIGNER_CLIENT_UIDS,
    SIGNER_SOCKET,
    SIGNING_KEYS_DIR,
    STILLWATCH_HOME,
    generated,
)

BASE_DIR = Path(__file__).resolve().parent.parent

# ------------------------------------------------------------------------------------- what the outside gives

DEBUG = env.flag("DEBUG", default=False)
PUBLIC_URL = env.base_url("PUBLIC_URL")
"""Where clients reach the server; makes absolute URLs. When empty, the request's own host does."""

SECRET_KEY = env.secret("SECRET_KEY")
DATABASE_URL = env.secret("DATABASE_URL")
CELERY_BROKER_URL = env.secret("CELERY_BROKER_URL")

WITNESS_POLICY = env.path("WITNESS_POLICY", Path()) if env.text("WITNESS_POLICY") else None
"""The policy (C2SP tlog-policy) whose witnesses are asked to cosign checkpoints; None: there are no witnesses."""
WITNESS_INTERNAL = frozenset(env.names("WITNESS_INTERNAL"))
"""Witnesses of the policy, by name, that may be inside the operator's own network, where others are refused."""
READ_SECRET = env.secret
"""Reads what a source's credential names, when it is needed: SOURCE_SECRET_<NAME> and its like, or their files."""

if MODE == "production":
    _required = {
        "SECRET_KEY": SECRET_KEY,
        "DATABASE_URL": DATABASE_URL,
        "CELERY_BROKER_URL": CELERY_BROKER_URL,
        "PUBLIC_URL": PUBLIC_URL,
    }
    _missing = [name for name, value in _required.items() if not value]
    if _missing:
        raise env.Misconfigured(", ".join(_missing), "must be set when STILLWATCH_MODE is production")
    if DEBUG:
        raise env.Misconfigured("DEBUG", "cannot be on when STILLWATCH_MODE is production")
    if len(SECRET_KEY) < 40:
        raise env.Misconfigured("SECRET_KEY", "is shorter than 40 characters")
else:
    SECRET_KEY = SECRET_KEY or generated("secret-key")

EMBEDDED_DATABASE = not DATABASE_URL
EMBEDDED_BROKER = not CELERY_BROKER_URL
DATABASE_URL = DATABASE_URL or embedded.database_url(STILLWATCH_HOME)
CELERY_BROKER_URL = CELERY_BROKER_URL or embedded.broker_url(STILLWATCH_HOME)

# -------------------------------------------------------------------------------------------------- the sizes

MAX_CONTENT_LENGTH = 10 * 1024 * 1024
"""The largest request body that is accepted, in bytes; also the API roots' `max_content_length`."""
MAX_UPLOAD_BYTES = env.integer("MAX_UPLOAD_BYTES", 200 * 1024 * 1024, minimum=1024 * 1024)
"""The largest file that is accepted as an upload, in bytes. It goes through the disk, never whole through memory."""
UPLOADS_DIR = env.path("UPLOADS_DIR", STILLWATCH_HOME / "uploads")
"""Where a file lies while it arrives."""
PAGE_DEFAULT = 1000
PAGE_CAP = 5000
SERVICE_NAME = env.text("SERVICE_NAME", "Stillwatch")
"""How the publisher calls itself in its identity object and in TAXII titles."""
# Views compare Content-Length with MAX_CONTENT_LENGTH and answer 413 in their own media type; Django's own
# limit, which answers 400, only has to be out of their way.
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_CONTENT_LENGTH + 64 * 1024
# Bulk actions at the desk send an id for each row chosen.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000
FILE_UPLOAD_HANDLERS = ["accounts.admission.Admitted", "accounts.admission.Stored"]

# ------------------------------------------------------------------------------------------------ the pressure

QUOTA_REQUESTS_PER_MINUTE = env.integer("QUOTA_REQUESTS_PER_MINUTE", 30_000, minimum=1, maximum=2**31 - 1)
QUOTA_OBJECTS_PER_HOUR = env.integer("QUOTA_OBJECTS_PER_HOUR", 10_000_000, minimum=1, maximum=2**31 - 1)
QUOTA_BYTES_PER_HOUR = env.integer("QUOTA_BYTES_PER_HOUR", 20 * 1024**3, minimum=1, maximum=2**62)
"""What a token may submit, unless the community file gives it other quotas."""
HIGH_WATER_OBJECTS = env.integer("HIGH_WATER_OBJECTS", 1_000_000, minimum=1)
HIGH_WATER_BYTES = env.integer("HIGH_WATER_BYTES", 4 * 1024**3, minimum=1)
"""As long as more than this waits for ingest, nothing more is taken from anybody."""

# --------------------------------------------------------------------------------------------------- the desk

BLAST_RADIUS_LIMIT = env.integer("BLAST_RADIUS_LIMIT", 10_000, minimum=1, maximum=10**10)

# So many days it is kept what each reader was given (docs/trust.md, "Erasure").
PULL_RECORD_DAYS = env.integer("PULL_RECORD_DAYS", 730, minimum=1, maximum=36_500)
# So many days a partner has to acknowledge that it deleted what was withdrawn.
ACKNOWLEDGEMENT_DAYS = env.integer("ACKNOWLEDGEMENT_DAYS", 7, minimum=1, maximum=365)
"""What more people than this are estimated to be behind is released by two analysts, never by one."""

# -------------------------------------------------------------------------------------------------- the hosts

_public_host = urlsplit(PUBLIC_URL).hostname or ""
STILLWATCH_ORIGIN_HOST = _public_host or "localhost"
"""The host in the origin of logs and of signatures."""
_url = PUBLIC_URL or env.url_of(
    env.text("HOST", "127.0.0.1"), env.integer("PORT", 8000, minimum=1, maximum=65535)
)
ISSUER = _url
"""Who speaks in receipts and deliveries, and the address that their links begin with."""
SCHEMAS_URL = f"{_url}/schemas"
"""Where the schemas of the distillation profile are served; stands in what is published, so no request decides it."""

_loopback = ["localhost", ".localhost", "127.0.0.1", "[::1]"]
# Listening on a loopback address, only loopback names are served (else a web page could rebind its own name
# to us). Listening on others, we cannot know our names unless they are given.
_default_hosts = (
    [*_loopback, _public_host]
    if MODE == "production" or env.text("HOST", "127.0.0.1") in {"127.0.0.1", "localhost", "::1"}
    else ["*"]
)
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", [host for host in _default_hosts if host])

# ----------------------------------------------------------------------------------------------------- Django

INSTALLED_APPS = [
    # Before the theme: some of its static files stand here in another version (accounts/static/unfold).
    "accounts",
    # Before the admin: it has other templates for it.
    "unfold.apps.BasicAppConfig",
    "config.apps.DeskConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    # After ours, whose templates stand in for theirs: allauth and axes, for signing in.
    "config.apps.SignInConfig",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "axes",
    "indicators",
    "sharing",
    "config.apps.Wiring",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# A TAXII client that is answered with a redirect may drop its credentials or turn a POST into a GET.
APPEND_SLASH = False

# People's pages need sessions, CSRF tokens and security headers; a poller's request needs none of it.
MIDDLEWARE = ["config.middleware.DeskOnly"]
DESK_PATHS = ("/admin/", "/api/v1/docs/")
DESK_MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.middleware.NotKept",
    "config.middleware.NoNul",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.sign_in.middleware.SecondFactor",
    # Last: it turns the answer to a try that locked somebody out into the page that says so.
    "axes.middleware.AxesMiddleware",
]
SILENCED_SYSTEM_CHECKS = [
    # The checks look for these in MIDDLEWARE; they are in DESK_MIDDLEWARE, for the pages that need them.
    *("admin.E408", "admin.E409", "admin.E410", "axes.W002"),
    *("security.W001", "security.W002", "security.W003"),
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.sign_in.context.frame",
            ]
        },
    }
]

STATIC_URL = "/static/"
STATIC_ROOT = env.path("STATIC_ROOT", STILLWATCH_HOME / "static")

LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

# --------------------------------------------------------------------------------------------------- database


def _database(url: str) -> dict[str, Any]:
    """Django's form of a libpq connection URL; what Django has no key for is passed on to libpq."""
    try:
        parts = dict(conninfo_to_dict(url))
    except Exception as error:
        raise env.Misconfigured(
            "DATABASE_URL", "is not a PostgreSQL URL (postgresql://user@host/name)"
        ) from error
    if not parts.get("dbname"):
        raise env.Misconfigured("DATABASE_URL", "names no database (postgresql://user@host/name)")
    keys = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    database: dict[str, Any] = {key: str(parts.pop(part, "") or "") for key, part in keys.items()}
    options = {
        "connect_timeout": 10,
        "application_name": "stillwatch",
        # Hot queries are prepared (accounts/sql.py): planning the three of a poll anew took most of its time. Django
        # would switch preparing off.
        "prepare_threshold": 5,
    } | parts
    return {"ENGINE": "django.db.backends.postgresql", "OPTIONS": options} | database


DATABASES = {
    "default": _database(DATABASE_URL)
    | {
        # One connection for each thread, kept; config.wsgi notices when the server has ended it.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": False,
    }
}

# --------------------------------------------------------------------------------------------- the desk, REST

AUTH_USER_MODEL = "accounts.Member"
LOGIN_URL = "/admin/login/"
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

_https = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_NAME = "__Host-session" if _https else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if _https else "csrf"
SESSION_COOKIE_AGE = 8 * 60 * 60
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = False
X_FRAME_OPTIONS = "DENY"
# Only where a proxy of ours sets the header itself may it be believed.
if env.flag("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Pages load and send to this server only; what is inline carries the request's nonce. Style attributes are let:
# the theme sets widths by them, and they run nothing.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "style-src-attr": [UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "report-uri": "/admin/csp-report/",
    }
}

UNFOLD = {
    "SITE_TITLE": "Stillwatch",
    "SITE_HEADER": "Stillwatch",
    "SITE_URL": None,
    "SITE_SYMBOL": "visibility",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("desk/icon.svg")}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "ACCOUNT": {"navigation": [{"title": "Your sign-in", "link": reverse_lazy("mfa_index")}]},
    "STYLES": [lambda _: static("desk/desk.css")],
    "SCRIPTS": [lambda _: static("desk/alpine.js"), lambda _: static("desk/desk.js")],
}

# ------------------------------------------------------------------------------------------------- signing in

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
LOGIN_REDIRECT_URL = "/admin/"
LOGOUT_REDIRECT_URL = "/admin/login/"
# How often something was tried, and which code was used up, must be known to all web processes, and outlive a restart:
# a table, as everything else that must not be forgotten. It sees a few rows for each sign-in.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "accounts_signinlimit",
        # Above this a third of the rows is dropped, also those that hold somebody back.
        "OPTIONS": {"MAX_ENTRIES": 50_000},
    }
}

ACCOUNT_ADAPTER = "accounts.sign_in.adapters.Accounts"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 5 * 60
"""For how many seconds a proof of identity counts as fresh."""
ACCOUNT_RATE_LIMITS = {
    # Wider than the lock-out of one name at one address (AXES_*): for tries that are spread over many addresses.
    "login": "60/m/ip",
    "login_failed": "30/m/ip,10/10m/key",
}

MFA_ADAPTER = "accounts.sign_in.adapters.SecondFactors"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "authenticate": "accounts.sign_in.forms.SecondFactorForm",
    "reauthenticate": "accounts.sign_in.forms.SecondFactorAgainForm",
    "authenticate_webauthn": "accounts.sign_in.forms.KeyForm",
    "reauthenticate_webauthn": "accounts.sign_in.forms.KeyAgainForm",
    "activate_totp": "accounts.sign_in.forms.ActivateAppForm",
}
MFA_TOTP_TOLERANCE = 1
"""How many codes before and after the present one count, for clocks that differ by up to half a minute."""
MFA_ALLOW_UNVERIFIED_EMAIL = True

AXES_FAILURE_LIMIT = 5
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_COOLOFF_TIME = timedelta(minutes=15)
# Who is locked out cannot make it longer for others by trying on.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_HANDLER = "accounts.sign_in.lockout.Lockout"
AXES_LOCKOUT_CALLABLE = "accounts.sign_in.lockout.locked_out"
AXES_CLIENT_IP_CALLABLE = "accounts.sign_in.lockout.address_of"
AXES_SENSITIVE_PARAMETERS = [
    "username",
    "ip_address",
    "login",
    "code",
    "credential",
    "oldpassword",
    "password1",
]
AXES_SENSITIVE_PARAMETERS += ["password2", "csrfmiddlewaretoken", "state"]
# What its tables hold is in the audit trail and in notices.
AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False

SOCIALACCOUNT_ADAPTER = "accounts.sign_in.adapters.SingleSignOn"

OIDC_ISSUER = env.secure_url("OIDC_ISSUER")
OIDC_NAME = env.text("OIDC_NAME", "single sign-on")
"""What the button on the sign-in page says."""
OIDC_PROVIDER = f"oidc-{hashlib.sha256(OIDC_ISSUER.encode()).hexdigest()[:12]}"
"""Stands with every link between a member and a person there: another issuer's people are others."""
_oidc = {"OIDC_CLIENT_ID": env.text("OIDC_CLIENT_ID"), "OIDC_CLIENT_SECRET": env.secret("OIDC_CLIENT_SECRET")}
if bool(OIDC_ISSUER) != all(_oidc.values()) or bool(OIDC_ISSUER) != any(_oidc.values()):
    raise env.Misconfigured(
        ", ".join(name for name, value in ({"OIDC_ISSUER": OIDC_ISSUER} | _oidc).items() if not value),
        "must be set where single sign-on is",
    )
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": OIDC_PROVIDER,
                "name": OIDC_NAME,
                "client_id": _oidc["OIDC_CLIENT_ID"],
                "secret": _oidc["OIDC_CLIENT_SECRET"],
                "settings": {"server_url": OIDC_ISSUER},
            }
        ]
        if OIDC_ISSUER
        else [],
    }
}
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if env.flag("BEHIND_PROXY", default=False) else 0

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    # A view that forgets to say who may come in lets nobody in.
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Stillwatch",
    "DESCRIPTION": "Threat-indicator sharing for AI-model distillation campaigns.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    # The page loads nothing from elsewhere.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}
