"""`stillwatch template`: a partner's prompts in, the prompt-template object out; the prompts stay where they are."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from indicators.dedup import templates
from sharing.tlog.statements import TLP_LEVELS
from sharing.verifier.markings import MARKINGS

EXIT_USAGE = 2

_DESCRIPTION = """\
Reads the prompts of one cluster, 20 or more, and prints the STIX object prompt-template that shares what they
have in common: a hash and a similarity sketch, and no text unless asked for. Nothing leaves this machine.
Post the object where you post others; format and method stand in docs/model.md.

One prompt a line, or one JSON string a line where the first line is one. Prompts that span lines have to be JSON
strings:  jq -c .prompt requests.ndjson | stillwatch template -
"""
_EXAMPLES = """\
examples:
  stillwatch template prompts.txt --tlp amber > template.json
  stillwatch template --known template.txt --with-text
"""


class _CannotRead(Exception):
    """What was given cannot be used; the sentence says why."""


def register(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command; its `run` takes the arguments and returns the exit code."""
    parser = commands.add_parser(
        "template",
        help="make a prompt-template object from prompts",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EXAMPLES,
    )
    parser.add_argument("file", metavar="FILE", help="the prompts; - reads standard input")
    parser.add_argument(
        "--known", action="store_true", help="FILE is the template itself, its slots written {{name}}"
    )
    parser.add_argument(
        "--plain", action="store_true", help="each line is a prompt as it is, even if it looks like JSON"
    )
    parser.add_argument("--with-text", action="store_true", help="share the text of the template too")
    parser.add_argument("--tlp", choices=TLP_LEVELS, help="mark the object; unmarked, the community decides")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the object as one line of JSON."""
    try:
        text = _read(arguments.file)
        if arguments.known:
            template = templates.known(text)
            shared = text.strip()
        else:
            template = templates.of_cluster(_prompts(text, plain=arguments.plain))
            shared = templates.shareable_text(template)
        value = templates.prompt_template(
            template,
            text=shared if arguments.with_text else None,
            marking=MARKINGS[arguments.tlp] if arguments.tlp else None,
        )
    except (_CannotRead, templates.NotACluster, templates.NotText) as error:
        sys.stderr.write(f"stillwatch: {arguments.file}: {error}\n")
        return EXIT_USAGE
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    return 0


def _read(name: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return raw.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise _CannotRead("there is no such file") from error
    except OSError as error:
        raise _CannotRead(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _CannotRead(f"line {line} is not UTF-8") from error


def _prompts(text: str, *, plain: bool) -> list[str]:
    """One a line; JSON strings if the first is one, and then all have to be."""
    # No splitlines: U+2028 and its like stand inside prompts.
    lines = [(number, line.strip("\r")) for number, line in enumerate(text.split("\n"), 1)]
    filled = [(number, line) for number, line in lines if line.strip()]
    if plain or not filled:
        return [line for _, line in filled]
    first = _json(filled[0][1])
    if isinstance(first, dict | list):
        raise _CannotRead(
            f"line {filled[0][0]} is a JSON {'object' if isinstance(first, dict) else 'array'};"
            " give JSON strings (jq -c .prompt), or --plain if it is the prompt"
        )
    if not isinstance(first, str):
        return [line for _, line in filled]
    prompts = []
    for number, line in filled:
        prompt = _json(line)
        if not isinstance(prompt, str):
            raise _CannotRead(
                f"line {number} is no JSON string as line {filled[0][0]} is; --plain takes lines as they are"
            )
        prompts.append(prompt)
    return prompts


def _json(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
