"""How a command of the partner's reaches a server: its address, the token, and the certificates it trusts."""

import ipaddress
import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit


class WrongUse(Exception):
    """The sentence says what is wrong with what was given."""


def server_url(text: str, *, option: str = "--url", insecure: bool = False, path: bool = False) -> str:
    """https://HOST without a final slash; with `path`, one below it too."""
    text = text.strip().rstrip("/")
    if not text:
        raise WrongUse(f"{option} or STILLWATCH_URL is needed: https://HOST of the server")
    try:
        parts = urlsplit(text)
        host, usable = parts.hostname or "", parts.port != 0
    except ValueError:
        host, usable = "", False
    if (
        not usable
        or not host
        or parts.scheme not in {"http", "https"}
        or (parts.path and not path)
        or parts.query
        or "@" in parts.netloc
    ):
        raise WrongUse(f"{option}: {text!r} is not of the form https://HOST or https://HOST:PORT")
    if parts.scheme == "http" and not insecure and not is_loopback(text):
        raise WrongUse(
            f"{option}: without TLS anybody on the way can read the token; use https, or --insecure-http"
        )
    return text


def is_loopback(url: str) -> bool:
    """Whether the server is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def token_secret(file: Path | None, *, in_sight: str | None = None, needed: bool = True) -> str:
    """The secret in `file`, or where the environment says; empty if there is none and none is `needed`."""
    if in_sight is not None:
        raise WrongUse("a token on the command line can be seen by others; put it into a --token-file")
    named = file or os.environ.get("STILLWATCH_TOKEN_FILE", "").strip()
    token = os.environ.get("STILLWATCH_TOKEN", "").strip()
    if named and token and file is None:
        raise WrongUse("set either STILLWATCH_TOKEN or STILLWATCH_TOKEN_FILE, not both")
    if named:
        try:
            token = Path(named).read_text(encoding="ascii").strip()
        except OSError as error:
            raise WrongUse(f"cannot read the token file {named}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise WrongUse(f"the token file {named} holds no token") from None
    elif not token and not needed:
        return ""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise WrongUse(
            "a token is needed: the secret in --token-file, STILLWATCH_TOKEN_FILE or STILLWATCH_TOKEN"
        )
    return token


def certificates(file: Path | None) -> ssl.SSLContext | bool:
    """What `httpx` verifies a server by."""
    if file is None:
        return True
    try:
        return ssl.create_default_context(cafile=file)
    except (OSError, ssl.SSLError) as error:
        raise WrongUse(f"--ca-file: cannot use {file}: {error}") from None
