"""`stillwatch submit FILE|-`: options in, progress out, an exit code that says what became of it."""

import argparse
import codecs
import hashlib
import os
import stat
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sharing.signing.keys import Signer
from sharing.submitter import batches, key_files
from sharing.submitter.batches import Batch, Line, Unreadable
from sharing.submitter.connection import WrongUse, certificates, is_loopback, server_url, token_secret
from sharing.submitter.journal import Acknowledged, Journal, Task, Unusable
from sharing.submitter.progress import Events, Progress
from sharing.submitter.signing import signed

if TYPE_CHECKING:
    from sharing.submitter.delivery import Delivery

EXIT_SOME_REJECTED = 1
EXIT_USAGE = 2
EXIT_NOT_DELIVERED = 3
EXIT_NOT_KNOWN = 4

STATE_SUFFIX = ".stillwatch-submit"
_OUTSTANDING = 1_000
"""So many receipts are waited for at the end; of more the oldest are waited for in between."""

_HELP = """\
Sends the lines of FILE, or of standard input (-), in batches. Whatever breaks on the way, each batch is sent again
under the same Idempotency-Key until it is answered: nothing is lost, and nothing is taken twice. What was answered
stands in the state, FILE.stillwatch-submit, so the same command goes on where a run broke off.

examples:
  export STILLWATCH_URL=https://intel.example.org STILLWATCH_TOKEN_FILE=/etc/stillwatch/token
  stillwatch submit detections.ndjson --wait
  detector | stillwatch submit - --format ocsf --community frontier --json
  stillwatch submit bundle.json --sign acme.pem --passphrase-file /etc/stillwatch/passphrase

exit codes:
    0  everything was taken (with --wait: and nothing of it was rejected)
    1  the server refused a batch, or (with --wait) rejected an object, or a line could not be sent
    2  wrong use, or a file that cannot be read
    3  not everything was delivered; the same command goes on (from standard input: with --state)
    4  delivered, but --wait ended before every receipt was complete
  130  interrupted; the same command goes on
"""


@dataclass(slots=True)
class _Result:
    """What became of it so far."""

    delivered: int = 0
    earlier: int = 0
    refused: int = 0
    unsent: int = 0
    unknown: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def exit_code(self) -> int:
        if self.unknown:
            return EXIT_NOT_KNOWN
        return EXIT_SOME_REJECTED if self.refused or self.unsent or self.outcomes["rejected"] else 0


def register(commands: Any) -> None:
    """Add the command `submit` to the parsers of `stillwatch`."""
    form = commands.add_parser(
        "submit",
        help="send a file or a stream of objects or findings to a server",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    form.add_argument("file", metavar="FILE", help="NDJSON, or a STIX bundle; - reads standard input")
    form.add_argument("--url", help="the server, https://HOST; or STILLWATCH_URL")
    form.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="holds the token's secret; or STILLWATCH_TOKEN_FILE, or STILLWATCH_TOKEN the secret itself",
    )
    # Only to say why it is not there.
    form.add_argument("--token", dest="token_in_sight", help=argparse.SUPPRESS)
    form.add_argument("--community", default="", metavar="SLUG", help="needed where you are in more than one")
    form.add_argument(
        "--format",
        choices=("ndjson", "stix", "ocsf"),
        help="ndjson: STIX objects, one a line; stix: one bundle, envelope or list of them; ocsf: Detection Findings,"
        " one a line. Unless given, a file that begins with a whole object on its first line is ndjson, any other stix,"
        " and standard input ndjson",
    )
    form.add_argument(
        "--sign",
        type=Path,
        metavar="KEY.pem",
        help="sign each object with a key of your own, made by `stillwatch keys` and registered",
    )
    form.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="FILE",
        help="of the key, its first line; asked for unless given",
    )
    form.add_argument("--batch-lines", type=_positive, metavar="N", default=batches.BATCH_LINES)
    form.add_argument("--batch-bytes", type=_positive, metavar="N", default=batches.BATCH_BYTES)
    form.add_argument(
        "--linger",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="a batch of standard input that is not full goes out after so long (5); with --state only full ones do",
    )
    form.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help=f"where to write what was answered; FILE{STATE_SUFFIX} unless given; of standard input only if given",
    )
    form.add_argument(
        "--patience",
        type=float,
        default=900.0,
        metavar="SECONDS",
        help="how long to try with one batch, and how long to wait for one receipt (900)",
    )
    form.add_argument(
        "--wait", action="store_true", help="until the receipts are complete; tell what was rejected"
    )
    form.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="certificates to trust instead of the usual"
    )
    form.add_argument(
        "--insecure-http",
        action="store_true",
        help="send the token without TLS to another machine, on purpose",
    )
    form.add_argument(
        "--json", action="store_true", help="tell everything on standard output, a JSON object a line"
    )
    form.add_argument("--quiet", action="store_true", help="show no progress; problems are still told")
    form.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit code."""
    # Here, so that the other commands start without it.
    import httpx

    from sharing.submitter.delivery import Delivery, NotDelivered

    progress = Progress(size=0, quiet=arguments.quiet)
    try:
        url = server_url(
            arguments.url or os.environ.get("STILLWATCH_URL", ""), insecure=arguments.insecure_http
        )
        token = token_secret(arguments.token_file, in_sight=arguments.token_in_sight)
        source = _Source.of(arguments)
        signer = _signer(arguments, source.format)
        progress = Progress(size=source.size, quiet=arguments.quiet)
        task = Task(
            url,
            arguments.community,
            source.format,
            source.digest,
            arguments.batch_lines,
            arguments.batch_bytes,
            "" if signer is None else signer.kid,
        )
        with (
            Journal.open(source.state, task) as journal,
            httpx.Client(
                base_url=url,
                headers={"Authorization": f"Bearer {token}", "User-Agent": "stillwatch-submit"},
                timeout=httpx.Timeout(60, connect=10),
                verify=certificates(arguments.ca_file),
                # A proxy of the environment is for others' machines.
                trust_env=not is_loopback(url),
            ) as client,
        ):
            delivery = Delivery(
                client,
                community=arguments.community,
                body_format="ndjson" if source.format == "stix" else source.format,
                patience=arguments.patience,
                told=progress.remark,
            )
            submit = _Submit(
                delivery,
                journal,
                progress,
                Events(wanted=arguments.json),
                _Result(),
                source.noun,
                arguments.patience if arguments.wait else None,
                signer,
            )
            try:
                return submit.all(source, arguments)
            except NotDelivered as error:
                return submit.broke_off(str(error), EXIT_NOT_DELIVERED, source)
            except KeyboardInterrupt:
                return submit.broke_off("interrupted", 130, source)
            except Unreadable as error:
                raise WrongUse(f"{arguments.file}: {error}") from None
            except BrokenPipeError:
                raise
            except OSError as error:
                return submit.broke_off(f"{arguments.file}: {error.strerror or error}", EXIT_USAGE, source)
    except (WrongUse, Unusable, key_files.NoKey) as error:
        progress.say(str(error))
        return EXIT_USAGE
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_NOT_DELIVERED


@dataclass(frozen=True, slots=True)
class _Source:
    """The input: what it is called, its format, size and digest (of a file), and where its state stands."""

    path: Path | None
    format: str
    size: int = 0
    digest: str = ""
    state: Path | None = None

    @property
    def noun(self) -> str:
        return "object" if self.format == "stix" else "line"

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> "_Source":
        if arguments.file == "-":
            return cls(None, arguments.format or "ndjson", state=arguments.state)
        path = Path(arguments.file)
        digest = hashlib.sha256()
        try:
            with path.open("rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise WrongUse(f"{path} is no file; give it to standard input and name -")
                first = b""
                while not first and (line := file.readline(batches.BATCH_BYTES)):
                    first = line.removeprefix(codecs.BOM_UTF8).strip()
                file.seek(0)
                size = 0
                while block := file.read(1 << 20):
                    digest.update(block)
                    size += len(block)
        except OSError as error:
            raise WrongUse(f"cannot read {path}: {error.strerror}") from None
        lines = path.suffix in {".ndjson", ".jsonl"} or not first or _is_object(first)
        found = arguments.format or ("ndjson" if lines else "stix")
        state = arguments.state or path.with_name(path.name + STATE_SUFFIX)
        return cls(path, found, size, digest.hexdigest(), state)

    def lines(self, arguments: argparse.Namespace) -> Iterator[Line | None]:
        """Whatever is to be sent, in order."""
        ticking = self.path is None and self.state is None
        with open(
            0 if self.path is None else self.path, "rb", buffering=0, closefd=self.path is not None
        ) as raw:
            if self.format == "stix":
                try:
                    text = raw.read().decode()
                except UnicodeDecodeError as error:
                    raise Unreadable(f"not UTF-8 at byte {error.start + 1}") from None
                yield from batches.objects_of(text)
            else:
                yield from batches.lines_of(raw, max_bytes=arguments.batch_bytes, ticking=ticking)


@dataclass(slots=True)
class _Submit:
    """One run."""

    delivery: "Delivery"
    journal: Journal
    progress: Progress
    events: Events
    result: _Result
    noun: str
    wait: float | None
    signer: Signer | None = None
    outstanding: deque[Acknowledged] = field(default_factory=deque)

    def all(self, source: _Source, arguments: argparse.Namespace) -> int:
        """Send every batch that is not acknowledged, and wait for receipts if asked to."""
        lines = source.lines(arguments)
        if (signer := self.signer) is not None:
            lines = (line and signed(line, signer) for line in lines)
        for batch in batches.cut(
            lines,
            max_lines=arguments.batch_lines,
            max_bytes=arguments.batch_bytes,
            linger=arguments.linger if source.path is None and source.state is None else None,
            faulty=self._unsent,
        ):
            self._one(batch)
            while len(self.outstanding) > _OUTSTANDING:
                self._follow(self.outstanding.popleft())
        while self.outstanding:
            self._follow(self.outstanding.popleft())
        self._sum_up()
        return self.result.exit_code

    def broke_off(self, why: str, exit_code: int, source: _Source) -> int:
        """Say how far it came, and how to go on."""
        how = (
            "the same command goes on from there" if source.state else "without --state there is no going on"
        )
        self.progress.say(f"{why}; {self.progress.batches:,} batches were answered: {how}")
        self.events.tell("broke-off", reason=why, exit_code=exit_code, batches=self.progress.batches)
        return exit_code

    def _one(self, batch: Batch) -> None:
        from sharing.submitter.delivery import Refused

        known = self.journal.known.get(batch.number)
        if known is not None:
            if known.digest != batch.digest:
                raise Unusable(
                    f"batch {batch.number} is another than the one that the state knows; was the input changed?"
                )
            self.result.earlier += 1
        else:
            key = f"submit-{self.journal.run}-{batch.number}-{batch.digest[:32]}"
            answer = self.delivery.send(batch, key=key)
            if isinstance(answer, Refused):
                known = Acknowledged(batch.number, batch.digest, batch.runs, refusal=answer.sentence)
            else:
                known = Acknowledged(batch.number, batch.digest, batch.runs, submission=answer.submission)
            self.journal.acknowledge(known)
        self.progress.add(batch.count, len(batch.body))
        first, last = batch.place(0), batch.place(batch.count - 1)
        if known.refusal:
            self.result.refused += batch.count
            self.progress.say(
                f"batch {batch.number} ({self.noun}s {first} to {last}) was refused: {known.refusal}"
            )
        else:
            self.result.delivered += batch.count
            if self.wait is not None:
                self.outstanding.append(known)
        self.events.tell(
            "refused" if known.refusal else "taken",
            batch=batch.number,
            first=first,
            last=last,
            objects=batch.count,
            **({"reason": known.refusal} if known.refusal else {"submission": known.submission}),
        )

    def _unsent(self, line: Line) -> None:
        self.result.unsent += 1
        self.progress.say(f"{self.noun} {line.number} was not sent: {line.fault}")
        self.events.tell("unsent", line=line.number, reason=line.fault)

    def _follow(self, one: Acknowledged) -> None:
        """Wait for a receipt; tell what was rejected, and where that stood."""
        deadline, pause = time.monotonic() + (self.wait or 0), 0.05
        while True:
            receipt = self.delivery.receipt(one.submission)
            if receipt.get("state") != "received":
                break
            if time.monotonic() + pause > deadline:
                self.result.unknown += 1
                self.progress.say(f"batch {one.batch}: submission {one.submission} is not ingested yet")
                self.events.tell("unknown", batch=one.batch, submission=one.submission, state="received")
                return
            time.sleep(pause)
            pause = min(2 * pause, 5.0)
        if receipt.get("state") != "ingested":
            self.result.unknown += 1
            self.progress.say(f"batch {one.batch}: submission {one.submission} is {receipt.get('state')}")
            self.events.tell(
                "unknown", batch=one.batch, submission=one.submission, state=receipt.get("state")
            )
            return
        for ordinal, line in enumerate(receipt["objects"]):
            self.result.outcomes[line["outcome"]] += 1
            if line["outcome"] == "rejected":
                place = batches.place_in(one.runs, _ordinal(line, ordinal))
                self.progress.say(f"{self.noun} {place} ({line['id']}): {line['reason']}: {line['sentence']}")
                told = {name: line[name] for name in ("id", "reason", "sentence")}
                self.events.tell("rejected", line=place, batch=one.batch, **told)

    def _sum_up(self) -> None:
        result = self.result
        earlier = (
            f", {result.earlier:,} of {self.progress.batches:,} batches in an earlier run"
            if result.earlier
            else ""
        )
        said = f"{result.delivered:,} {self.noun}s were taken{earlier}"
        for count, what in ((result.refused, "refused in whole batches"), (result.unsent, "not sent")):
            said += f"; {count:,} {what}" if count else ""
        if result.outcomes:
            said += "; " + ", ".join(
                f"{count:,} {outcome}" for outcome, count in sorted(result.outcomes.items())
            )
        self.progress.clear()
        self.progress.remark(said)
        self.events.tell(
            "summary",
            exit_code=result.exit_code,
            batches=self.progress.batches,
            taken=result.delivered,
            refused=result.refused,
            unsent=result.unsent,
            unknown=result.unknown,
            retries=self.delivery.retries,
            outcomes=dict(result.outcomes),
        )


def _ordinal(line: dict[str, Any], ordinal: int) -> int:
    """Which part of the body a receipt's line speaks of: `objects/3` is the fourth; one part may have several lines."""
    _, _, number = str(line.get("place", "")).partition("/")
    digits = number.partition("/")[0].partition(" ")[0]
    return int(digits) if digits.isascii() and digits.isdigit() else ordinal


def _is_object(first: bytes) -> bool:
    """Whether a first line is an object whole in itself, and no bundle or envelope."""
    try:
        found = list(batches.objects_of(first.decode()))
    except (Unreadable, UnicodeDecodeError):
        return False
    return len(found) == 1 and found[0].text == first


def _signer(arguments: argparse.Namespace, body_format: str) -> Signer | None:
    if arguments.sign is None:
        return None
    if body_format == "ocsf":
        raise WrongUse(
            "--sign: what findings become is written by the service, so their sender cannot sign it"
        )
    return key_files.load(arguments.sign, key_files.passphrase(arguments.passphrase_file))


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value
