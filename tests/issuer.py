"""A small OpenID Connect issuer on loopback HTTP: signed tokens, PKCE, one use of each code."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID, CLIENT_SECRET = "stillwatch", "a client's secret"


class Issuer:
    """People who may sign in there, by the code that their browser would bring back."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.url = ""
        self.codes: dict[str, dict[str, Any]] = {}
        self.userinfo: dict[str, dict[str, Any]] = {}

    def person(self, *, challenge: str, userinfo: dict[str, Any] | None = None, **claims: Any) -> str:
        """A code for a person with these claims; the userinfo says the same unless it is told otherwise."""
        code = f"code-{len(self.codes)}"
        now = int(time.time())
        said = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 300} | claims
        self.codes[code] = {"challenge": challenge, "claims": said}
        self.userinfo[f"access-{code}"] = claims if userinfo is None else userinfo
        return code

    def answer(self, path: str, form: dict[str, list[str]], token: str) -> tuple[int, dict[str, Any]]:
        """What the endpoint at a path says."""
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "userinfo_endpoint": f"{self.url}/userinfo",
                "jwks_uri": f"{self.url}/jwks",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            }
        if path == "/jwks":
            return 200, {
                "keys": [json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key())) | {"kid": "1"}]
            }
        if path == "/token":
            return self._token({name: values[0] for name, values in form.items()})
        if path == "/userinfo" and token in self.userinfo:
            return 200, self.userinfo[token]
        return 404, {}

    def _token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        found = self.codes.pop(form["code"], None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if (
            found is None
            or (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET)
            or base64.urlsafe_b64encode(verifier).rstrip(b"=").decode() != found["challenge"]
        ):
            return 400, {"error": "invalid_grant"}
        signed = jwt.encode(found["claims"], self.key, algorithm="RS256", headers={"kid": "1"})
        return 200, {"access_token": f"access-{form['code']}", "token_type": "Bearer", "id_token": signed}


@contextmanager
def issuing() -> Iterator[Issuer]:
    """An issuer that answers at `url`."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(parse_qs(body.decode()))

        def _answer(self, form: dict[str, list[str]]) -> None:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            status, said = issuer.answer(self.path.partition("?")[0], form, token)
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *said: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield issuer
        server.shutdown()
        thread.join()
