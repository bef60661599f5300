"""Options that several commands have, and nothing that takes long to load."""

import argparse
import re
from pathlib import Path

from sharing.verifier import home


def add_home(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--home",
        type=Path,
        metavar="DIR",
        help="the trust store; STILLWATCH_VERIFIER_HOME, or ~/.local/share/stillwatch unless given",
    )


def add_connection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="holds the token's secret; or STILLWATCH_TOKEN_FILE, or STILLWATCH_TOKEN the secret itself",
    )
    parser.add_argument("--token", dest="token_in_sight", help=argparse.SUPPRESS)
    parser.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="certificates to trust instead of the usual"
    )
    parser.add_argument(
        "--insecure-http",
        action="store_true",
        help="send the token without TLS to another machine, on purpose",
    )


def add_reading(parser: argparse.ArgumentParser, *, from_help: str) -> None:
    """COLLECTION, --from, --max-age, --progress, --json and all that reaching it takes."""
    parser.add_argument(
        "collection",
        metavar="COLLECTION",
        help="its UUID, or its URL https://HOST/taxii2/…/collections/<uuid>/",
    )
    parser.add_argument("--from", dest="mirror", metavar="URL|DIR", help=from_help)
    add_home(parser)
    add_connection(parser)
    parser.add_argument(
        "--max-age",
        type=seconds,
        default=24 * 3600,
        metavar="AGE",
        help="how old the checkpoint may be: 90s, 30m, 24h (the default), 7d",
    )
    add_without_witnesses(parser)
    parser.add_argument(
        "--progress", action="store_true", help="lines on standard error also where it is no terminal"
    )
    parser.add_argument("--json", action="store_true", help="print the result, good or bad, as JSON")


def add_without_witnesses(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--without-witnesses",
        action="store_true",
        help="ask for no witness, as for your inbox, which nobody else may see; then the log's word alone says that it"
        " is fresh and that others are shown the same",
    )


def seconds(text: str) -> int:
    """Of an age such as 90s, 30m, 24h or 7d."""
    match = re.fullmatch(r"([1-9][0-9]{0,6})([smhd])", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no age such as 90s, 30m, 24h or 7d")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2]]


def home_of(arguments: argparse.Namespace) -> Path:
    given: Path | None = arguments.home
    return given or home.default()
