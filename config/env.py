"""Typed reading of the environment.

Every reader takes the variable's name first and raises `Misconfigured`, which names the variable, when the
value is missing or cannot be read. Secrets may be given as NAME or, for secret mounts, as the path of a file
in NAME_FILE.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})


class Misconfigured(ImproperlyConfigured):
    """An environment variable is missing or unreadable; the message names it and says what was expected."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name


def text(name: str, default: str = "") -> str:
    """The value without surrounding white space; an empty value counts as not set."""
    return os.environ.get(name, "").strip() or default


def secret(name: str, default: str = "") -> str:
    """The value of NAME, or the content of the file that NAME_FILE names; naming both is an error."""
    value, file = text(name), text(f"{name}_FILE")
    if value and file:
        raise Misconfigured(name, f"set either {name} or {name}_FILE, not both")
    if not file:
        return value or default
    try:
        value = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{name}_FILE", f"cannot read {file!r} ({error})") from error
    if not value:
        raise Misconfigured(f"{name}_FILE", f"{file!r} is empty")
    return value


def integer(name: str, default: int, *, minimum: int | None = None, maximum: int | None = None) -> int:
    """A whole number within the bounds."""
    raw = text(name)
    if not raw:
        return default
    try:
        value = int(raw)
    except ValueError:
        raise Misconfigured(name, f"{raw!r} is not a whole number") from None
    if minimum is not None and value < minimum:
        raise Misconfigured(name, f"{value} is below {minimum}")
    if maximum is not None and value > maximum:
        raise Misconfigured(name, f"{value} is above {maximum}")
    return value


def flag(name: str, default: bool) -> bool:
    """One of 1/true/yes/on or 0/false/no/off, in any case."""
    raw = text(name).lower()
    if not raw:
        return default
    if raw in TRUE:
        return True
    if raw in FALSE:
        return False
    raise Misconfigured(name, f"{raw!r} is neither 1/true/yes/on nor 0/false/no/off")


def choice(name: str, choices: Iterable[str], default: str) -> str:
    """One of `choices`, in any case; returned as it is spelled there."""
    raw = text(name)
    if not raw:
        return default
    for option in choices:
        if option.lower() == raw.lower():
            return option
    raise Misconfigured(name, f"{raw!r} is not one of {', '.join(choices)}")


def path(name: str, default: Path) -> Path:
    """A path, made absolute against the current directory, `~` expanded."""
    raw = text(name)
    return (Path(raw).expanduser() if raw else default).resolve()


def base_url(name: str) -> str:
    """An http(s) URL of a host without path, or the empty string."""
    raw = text(name).rstrip("/")
    if not raw:
        return ""
    try:
        parts = urlsplit(raw)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise Misconfigured(name, f"{raw!r} is not of the form https://host or https://host:port")
    return raw


def secure_url(name: str) -> str:
    """An https URL without query, or one of this machine's own with http, or the empty string."""
    raw = text(name).rstrip("/")
    if not raw:
        return ""
    try:
        parts = urlsplit(raw)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    local = host in {"localhost", "127.0.0.1", "::1"}
    if not host or (parts.scheme != "https" and not (local and parts.scheme == "http")):
        raise Misconfigured(name, f"{raw!r} is not an https URL")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise Misconfigured(name, f"{raw!r} has a query, a fragment or a user in it")
    return raw


def url_of(host: str, port: int) -> str:
    """Where this machine reaches a server that listens on a host and port."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}"


def uids(name: str) -> list[int]:
    """A comma-separated list of numeric user ids."""
    found = names(name)
    if not all(one.isascii() and one.isdigit() for one in found):
        raise Misconfigured(name, f"{text(name)!r} is not a comma-separated list of numeric user ids")
    return [int(one) for one in found]


def names(name: str, default: Iterable[str] = ()) -> list[str]:
    """A comma-separated list."""
    return [item.strip() for item in text(name).split(",") if item.strip()] or list(default)
