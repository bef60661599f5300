"""How a command ends: one line or one JSON object, an exit code, and the evidence on disk."""

import dataclasses
import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sharing.submitter.connection import WrongUse
from sharing.verifier import home
from sharing.verifier.failures import EXIT_CODES, VerificationFailed
from sharing.verifier.feed import Unusable
from sharing.verifier.source import Unavailable

EXIT_USAGE = 2
EXIT_UNAVAILABLE = 3

EXIT_CODE_HELP = "exit codes:\n" + "".join(f"{number:4d}  {meaning}\n" for number, meaning in EXIT_CODES)


class CannotRead(Exception):
    """A file named on the command line cannot be read; the sentence says why."""


def concluded(
    run: Callable[[], Any], summary: Callable[[Any], str], *, as_json: bool, evidence: Path | None = None
) -> int:
    """The exit code of `run`, whose report (a dataclass) is told in one line or as JSON, as a failure is.

    `evidence`: the folder in which what shows a failure is kept.
    """
    try:
        report = run()
    except (CannotRead, WrongUse, Unusable) as error:
        return _told(as_json, EXIT_USAGE, "unusable", str(error))
    except Unavailable as error:
        return _told(as_json, EXIT_UNAVAILABLE, "unavailable", str(error))
    except VerificationFailed as failure:
        kept = _kept(evidence, failure)
        if as_json:
            say(
                json.dumps(
                    {
                        "verified": False,
                        "exit_code": failure.exit_code,
                        "code": failure.code,
                        "sentence": failure.sentence,
                        "index": failure.index,
                        "object_id": failure.object_id,
                        **({"evidence": str(kept)} if kept else {}),
                    }
                )
            )
        else:
            where = f" (evidence in {kept})" if kept else ""
            sys.stderr.write(f"stillwatch: NOT VERIFIED ({failure.code}): {failure.sentence}{where}\n")
        return failure.exit_code
    said = {"verified": True, **dataclasses.asdict(report)}
    say(json.dumps(said) if as_json else summary(report))
    return 0


def say(line: str) -> None:
    """On standard output."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone. The verdict is in the exit code; Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _told(as_json: bool, exit_code: int, code: str, sentence: str) -> int:
    if as_json:
        say(json.dumps({"verified": False, "exit_code": exit_code, "code": code, "sentence": sentence}))
    else:
        sys.stderr.write(f"stillwatch: {sentence}\n")
    return exit_code


def _kept(folder: Path | None, failure: VerificationFailed) -> Path | None:
    if folder is None:
        return None
    try:
        return home.keep_evidence(folder, failure, datetime.now(UTC))
    except OSError as error:
        sys.stderr.write(f"stillwatch: the evidence cannot be written to {folder}: {error.strerror}\n")
        return None
