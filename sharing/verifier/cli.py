"""`stillwatch`, the partner's command: one line out, and an exit code that says what was found."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from sharing.submitter import cli as submitter
from sharing.submitter import keys_cli
from sharing.verifier import blind, template
from sharing.verifier.commands import files, following, passing_on
from sharing.verifier.commands.outcome import EXIT_CODE_HELP, EXIT_USAGE
from sharing.witness import cli as witness

EXIT_INTERRUPTED = 130

_EXAMPLES = """\
examples:
  stillwatch verify init --root root.json --at https://intel.example.org
  stillwatch verify sync "$COLLECTION" --out ./feed
  stillwatch verify bundle bundle.json
  stillwatch submit detections.ndjson --wait
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code; argparse leaves by SystemExit for --help and wrong use."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="stillwatch",
        description="Follows and checks a Stillwatch feed, trusting nobody but the publisher's root; blinds what\n"
        "may not be sent in the clear, prepares what is submitted, and submits it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EXAMPLES + "\n" + EXIT_CODE_HELP,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    verify = commands.add_parser(
        "verify",
        help="trust a publisher, follow its feeds, verify pages, objects, bundles, receipts, deliveries",
        description="Trusts a publisher (init), follows its feeds (sync, export), and verifies single files.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EXAMPLES + "\n" + EXIT_CODE_HELP,
    )
    kinds = verify.add_subparsers(dest="what", required=True, metavar="WHAT")
    following.register(kinds)
    files.register(kinds)
    passing_on.register(commands)
    blind.register(commands)
    template.register(commands)
    submitter.register(commands)
    keys_cli.register(commands)
    witness.register(commands)
    return parser
