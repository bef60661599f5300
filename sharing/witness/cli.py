"""`stillwatch witness keygen|serve|status`: vouch for the service's logs."""

import argparse
import contextlib
import ipaddress
import json
import os
import signal
import ssl
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sharing.witness import keys
from sharing.witness.evidence import EvidenceFiles
from sharing.witness.keys import UnusableKeys
from sharing.witness.logs import LogFile, UnusableLogs
from sharing.witness.memory import Cosigned, Memory, MemoryUnusable
from sharing.witness.server import Bounds, Monitoring, WitnessServer
from sharing.witness.witness import Witness

EXIT_USAGE = 2
EXIT_FORK = 15

_HELP = """\
A witness cosigns the checkpoints of the service's logs, each only if it continues what the witness cosigned before. Two
partners who ask for the same cosignatures see the same feed. It learns origins, sizes and roots, and no entry.

quick start:
  head -c 32 /dev/urandom | base64 > passphrase
  stillwatch witness keygen --home witness --name witness.lab-a.example/stillwatch --passphrase-file passphrase
  stillwatch witness serve --home witness --passphrase-file passphrase --logs logs.txt --jwks jwks.json \\
      --listen 127.0.0.1:8090
  stillwatch witness status --home witness

Give the operator witness/vkeys.txt and the https URL under which a proxy of yours leads to the witness.
"""

_STATUS_CODES = """\
exit codes:
   0  every log grew as it must
   2  wrong use, or a state that cannot be read
  15  there is evidence that a log forked or rolled back
"""


class _WrongUse(Exception):
    """The sentence says what is wrong."""


def register(commands: Any) -> None:
    """Add the command `witness` to the parsers of `stillwatch`."""
    witness = commands.add_parser(
        "witness",
        help="cosign the logs' checkpoints, so that nobody is shown another feed",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = witness.add_subparsers(dest="what", required=True, metavar="keygen|serve|status")
    keygen = what.add_parser("keygen", help="make a witness: its name and keys")
    keygen.add_argument(
        "--name", required=True, help="how it signs: a URL without scheme, such as witness.lab-a.example/w1"
    )
    keygen.add_argument(
        "--kind",
        action="append",
        choices=(*keys.KINDS,),
        help="ml-dsa-44 (which is what it is unless given), ed25519; may be given twice for both",
    )
    serve = what.add_parser("serve", help="answer the logs")
    serve.add_argument(
        "--logs",
        required=True,
        type=Path,
        metavar="FILE",
        help="verifier keys or origins of the logs, one a line",
    )
    serve.add_argument(
        "--jwks", type=Path, metavar="FILE", help="the publisher's keys, for lines that are an origin alone"
    )
    serve.add_argument("--listen", default="127.0.0.1:8090", metavar="HOST:PORT", help="(127.0.0.1:8090)")
    serve.add_argument("--tls-cert", type=Path, metavar="FILE", help="speak TLS with this certificate")
    serve.add_argument("--tls-key", type=Path, metavar="FILE", help="and this key")
    serve.add_argument(
        "--monitoring-token-file",
        type=Path,
        metavar="FILE",
        help="show the latest checkpoints to those who send this as a bearer token",
    )
    serve.add_argument(
        "--open-monitoring",
        action="store_true",
        help="show them to everybody: with them, how many entries each log has, and when it grows",
    )
    serve.add_argument(
        "--each-minute",
        type=int,
        default=Bounds().each_minute,
        metavar="N",
        help=f"requests of one address ({Bounds().each_minute})",
    )
    status = what.add_parser(
        "status",
        help="what was cosigned last, and evidence",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_STATUS_CODES,
    )
    status.add_argument("--json", action="store_true", help="as JSON")
    for one in (keygen, serve, status):
        one.add_argument(
            "--home", required=True, type=Path, metavar="DIR", help="the witness's own directory"
        )
    for one in (keygen, serve):
        one.add_argument(
            "--passphrase-file", required=True, type=Path, metavar="FILE", help="opens the private keys"
        )
    keygen.set_defaults(run=_safely(_keygen))
    serve.set_defaults(run=_safely(_serve))
    status.set_defaults(run=_safely(_status))


def _safely(command: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """The exit code; what is wrong as one sentence."""

    def run(arguments: argparse.Namespace) -> int:
        try:
            return command(arguments)
        except (_WrongUse, UnusableKeys, UnusableLogs, MemoryUnusable) as error:
            sys.stderr.write(f"stillwatch: {error}\n")
            return EXIT_USAGE

    return run


def _keygen(arguments: argparse.Namespace) -> int:
    made = keys.generate(
        arguments.home,
        name=arguments.name,
        kinds=list(dict.fromkeys(arguments.kind or ["ml-dsa-44"])),
        passphrase=_secret(arguments.passphrase_file),
    )
    for one in made.signers:
        sys.stdout.write(f"{one.key.vkey()}\n")
    return 0


def _serve(arguments: argparse.Namespace) -> int:
    server = made(arguments, _tell)
    # A signal ends the loop from another thread: within itself it would wait for its own end.
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: threading.Thread(target=server.shutdown).start())
    with server:
        server.serve_forever(poll_interval=0.25)
    _tell("ended")
    return 0


def made(arguments: argparse.Namespace, tell: Callable[[str], None]) -> WitnessServer:
    """The witness that the options of `serve` describe; it listens, and answers once it is told to."""
    host, port = _address(arguments.listen)
    if arguments.each_minute < 1:
        raise _WrongUse("--each-minute: at least 1")
    own = keys.load(arguments.home, passphrase=_secret(arguments.passphrase_file))
    logs = LogFile(arguments.logs, jwks=arguments.jwks, tell=tell)
    token = arguments.monitoring_token_file
    try:
        server = WitnessServer(
            (host, port),
            Witness(
                logs=logs,
                signers=own.signers,
                memory=Memory(arguments.home / "state.sqlite3"),
                evidence=EvidenceFiles(arguments.home / "evidence"),
                tell=tell,
            ),
            tell=tell,
            monitoring=Monitoring(
                is_open=arguments.open_monitoring, token="" if token is None else _secret(token).decode()
            ),
            bounds=Bounds(each_minute=arguments.each_minute),
            context=_tls(arguments.tls_cert, arguments.tls_key),
        )
    except OSError as error:
        raise _WrongUse(f"--listen: cannot listen on {arguments.listen}: {error.strerror}") from None
    tell(f"{own.name} answers on {arguments.listen} for {len(logs.origins)} logs")
    return server


def _status(arguments: argparse.Namespace) -> int:
    name, _ = keys.described(arguments.home)
    path = arguments.home / "state.sqlite3"
    if path.exists():
        with contextlib.closing(Memory(path)) as memory:
            known = memory.all()
    else:
        known = []
    evidence = EvidenceFiles(arguments.home / "evidence").all()
    proved = [one for one in evidence if one[1] != "no-proof"]
    if arguments.json:
        said = {
            "name": name,
            "logs": [_written(one) for one in known],
            "evidence": [
                {"file": str(path), "kind": kind, "sentence": sentence} for path, kind, sentence in evidence
            ],
        }
        sys.stdout.write(json.dumps(said) + "\n")
    else:
        sys.stdout.write(f"{name}: {len(known)} log{'' if len(known) == 1 else 's'} cosigned\n")
        for one in known:
            sys.stdout.write(f"{one.origin}  size {one.size}  cosigned {_when(one.cosigned_at)}\n")
        for path, _, sentence in evidence:
            sys.stdout.write(f"{sentence}; evidence: {path}\n")
    return EXIT_FORK if proved else 0


def _written(one: Cosigned) -> dict[str, object]:
    return {
        "origin": one.origin,
        "size": one.size,
        "root": one.root.hex(),
        "signed_at": one.signed_at,
        "cosigned_at": one.cosigned_at,
    }


def _tell(sentence: str) -> None:
    """A line for whoever watches the process."""
    sys.stderr.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {sentence}\n")
    sys.stderr.flush()


def _when(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _secret(path: Path) -> bytes:
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise _WrongUse(f"cannot read {path}: {error.strerror}") from None
    if not secret or not secret.isascii():
        raise _WrongUse(f"{path} holds no secret: one line of ASCII text")
    return secret


def _address(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(host)
        if separator and port.isascii() and port.isdigit() and int(port) < 65536:
            return host, int(port)
    except ValueError:
        pass
    raise _WrongUse(f"--listen: {text!r} is not an address and a port, such as 127.0.0.1:8090 or [::1]:8090")


def _tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if cert is None and key is None:
        return None
    if cert is None:
        raise _WrongUse("--tls-key needs --tls-cert")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key, password=b"")
    except (OSError, ssl.SSLError) as error:
        raise _WrongUse(f"--tls-cert: cannot use {os.fspath(cert)}: {error}") from None
    return context
