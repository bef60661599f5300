"""Our witness, spoken to by a client that was written from the specification (C2SP tlog-witness)."""

import hashlib
import http.client
import ipaddress
import json
import socket
import sqlite3
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from sharing.signing.keys import Ed25519Signer, MlDsa44Signer
from sharing.trust.store import TrustStore
from sharing.witness import evidence as evidence_files
from sharing.witness import logs
from sharing.witness.server import _who
from tests.sharing.witness import by_hand
from tests.sharing.witness.by_hand import Log, request
from tests.sharing.witness.running import Running, running, stillwatch
from tests.trust_repository import TrustRepository


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One that signs both ways and shows what it cosigned to everybody."""
    with running(
        tmp_path_factory.mktemp("witness"),
        "w.example/both",
        "--open-monitoring",
        kinds=("ed25519", "ml-dsa-44"),
    ) as made:
        yield made


@pytest.fixture
def log(witness: Running) -> Log:
    """A log of seven entries that the witness knows and never saw."""
    made = Log().grow(7)
    witness.knows(made)
    return made


def evidence(witness: Running, log: Log) -> list[dict[str, Any]]:
    files = sorted((witness.home / "evidence").glob("*.json"))
    found = [json.loads(path.read_text()) for path in files]
    return [one for one in found if one["origin"] == log.origin]


def shown(witness: Running, log: Log) -> bytes:
    """The latest checkpoint that it cosigned."""
    answer = by_hand.call(
        witness.url, "GET", f"/{hashlib.sha256(log.origin.encode()).hexdigest()}/checkpoint"
    )
    return answer.body if answer.status == 200 else b""


def test_a_log_that_grows_is_cosigned_each_time_and_the_latest_is_shown(witness: Running, log: Log) -> None:
    assert shown(witness, log) == b""
    size, before = 0, int(time.time())
    for more in (0, 1, 2, 25, 300):
        log.grow(more)
        answer = witness.add(log.request(size))
        assert answer.status == 200, answer
        size = len(log.leaves)
        stamps = by_hand.cosigner(answer.body, witness.vkeys, log.text())
        assert set(stamps) == {"ed25519", "ml-dsa-44"}
        assert all(before <= at <= int(time.time()) for at in stamps.values())
        text, _, lines = shown(witness, log).partition(b"\n\n")
        assert text.decode() + "\n" == log.text()
        assert lines.startswith(f"— {log.origin} ".encode())
        assert lines.endswith(answer.body)


def test_the_same_checkpoint_is_cosigned_again(witness: Running, log: Log) -> None:
    assert witness.add(log.request(0)).status == 200
    assert witness.add(log.request(7)).status == 200
    assert evidence(witness, log) == []


def test_an_older_word_of_the_log_about_the_same_tree_does_not_take_the_later_ones_place(
    witness: Running, log: Log
) -> None:
    now = int(time.time())
    witness.add(log.request(0, at=now))
    assert witness.add(log.request(7, at=now - 1000)).status == 200
    assert b"".join(shown(witness, log).splitlines(keepends=True)[4:6]) != b""
    state = sqlite3.connect(witness.home / "state.sqlite3")
    assert state.execute("SELECT signed_at FROM log WHERE origin = ?", (log.origin,)).fetchone() == (now,)
    state.close()


def test_an_empty_log_is_cosigned_and_grows_without_proof(witness: Running) -> None:
    log = Log()
    witness.knows(log)
    assert witness.add(log.request(0)).status == 200
    assert witness.add(log.grow(3).request(0)).status == 200


def test_who_does_not_know_the_size_is_told(witness: Running, log: Log) -> None:
    witness.add(log.request(0))
    log.grow(5)
    for old in (0, 3, 8):
        answer = witness.add(log.request(old))
        assert (answer.status, answer.body) == (409, b"7\n")
        assert answer.headers["content-type"] == "text/x.tlog.size"
    assert witness.add(log.request(7)).status == 200


def test_a_log_that_was_never_cosigned_has_size_0(witness: Running, log: Log) -> None:
    answer = witness.add(log.request(4))
    assert (answer.status, answer.body) == (409, b"0\n")


def test_an_unknown_log_is_not_found(witness: Running) -> None:
    assert witness.add(Log().grow(2).request(0)).status == 404


def test_another_ones_signature_is_forbidden(witness: Running, log: Log) -> None:
    other = Log(log.origin, log.leaves)
    assert witness.add(other.request(0)).status == 403
    text = log.text()
    first, second = log.lines(text)
    for lines in (
        first,
        second,
        other.lines(text)[0] + second,
        first[:-10] + "AAAAAAAA=\n" + second,
        f"— {log.origin} AAAAAAAA\n",
    ):
        answer = witness.add(request(0, [], f"{text}\n{lines}".encode()))
        assert answer.status in {400, 403}, lines
    # The line is by its key, and wrong: about a larger tree.
    wrong = log.lines(Log(log.origin, log.leaves, log.ed25519, log.ml_dsa).grow(1).text())[0]
    assert witness.add(request(0, [], f"{text}\n{wrong}{second}".encode())).status == 403
    assert shown(witness, log) == b""


def test_lines_by_keys_that_it_does_not_know_are_ignored_and_not_kept(witness: Running, log: Log) -> None:
    stranger = "— stranger.example " + by_hand.b64(b"1234" + bytes(64)) + "\n"
    assert witness.add(log.request(0) + stranger.encode()).status == 200
    assert b"stranger" not in shown(witness, log)


def test_a_wrong_proof_is_unprocessable(witness: Running, log: Log) -> None:
    witness.add(log.request(0))
    log.grow(6)
    right = by_hand.proof(7, log.leaves)
    for wrong in ([], right[:-1], [*right, right[0]], right[::-1], [bytes(32), *right[1:]], [bytes(32)] * 63):
        assert witness.add(request(7, wrong, log.note())).status == 422
    assert witness.add(request(7, right, log.note())).status == 200


def test_what_needs_no_proof_must_have_none(witness: Running, log: Log) -> None:
    assert witness.add(request(0, [bytes(32)], log.note())).status == 422
    witness.add(log.request(0))
    assert witness.add(request(7, [bytes(32)], log.note())).status == 422


def test_an_empty_tree_has_the_empty_root(witness: Running, log: Log) -> None:
    text = log.text(0, root=bytes(32))
    assert witness.add(request(0, [], f"{text}\n{''.join(log.lines(text))}".encode())).status == 422


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old",
        b"old 0",
        b"\n\n",
        b"old 0\n",
        b"old 0\n\n",
        b"old 00\n\nNOTE",
        b"old 07\n\nNOTE",
        b"old -1\n\nNOTE",
        b"old +1\n\nNOTE",
        b"old 1e3\n\nNOTE",
        b"old 9223372036854775808\n\nNOTE",
        "old ٣\n\nNOTE".encode(),
        b"old  0\n\nNOTE",
        b"old 0 \n\nNOTE",
        b"Old 0\n\nNOTE",
        b"old 0\r\n\r\nNOTE",
        b"old 0\nAAAA\n\nNOTE",
        b"old 0\n" + b"=" * 44 + b"\n\nNOTE",
        b"old 0\n" + b"A" * 42 + b"B=\n\nNOTE",
        b"old 0\n" + (b"A" * 43 + b"=\n") * 64 + b"\nNOTE",
        b"old 8\n\nNOTE",
        b"old 0\n\nNOTE\n",
        b"old 0\n\nNOTE\0",
        b"old 0\n\nNOTE\xff",
    ],
    ids=range(25),
)
def test_what_is_no_request_is_a_bad_one(witness: Running, log: Log, body: bytes) -> None:
    assert witness.add(body.replace(b"NOTE", log.note())).status == 400
    assert shown(witness, log) == b""


@pytest.mark.parametrize(
    "text", ["{o}\n7\n{r}\nan extension\n", "{o}\n07\n{r}\n", "{o}\n7\n{r}", "{o}\n7\nAAAA\n", "\n7\n{r}\n"]
)
def test_what_is_no_checkpoint_is_a_bad_request_or_unknown(witness: Running, log: Log, text: str) -> None:
    said = text.format(o=log.origin, r=by_hand.b64(by_hand.tree(log.leaves)))
    lines = "".join(log.lines(log.text()))
    assert witness.add(request(0, [], f"{said}\n{lines}".encode())).status in {400, 404}


def test_other_methods_and_paths_have_their_statuses(witness: Running, log: Log) -> None:
    assert by_hand.call(witness.url, "GET", "/add-checkpoint").status == 405
    assert by_hand.call(witness.url, "POST", "/elsewhere", b"x").status == 404
    assert by_hand.call(witness.url, "GET", "/" + "0" * 64 + "/checkpoint").status == 404
    assert by_hand.call(witness.url, "PUT", "/add-checkpoint", b"x").status == 501
    assert by_hand.call(witness.url, "POST", "/add-checkpoint", b"x" * (128 * 1024 + 1)).status == 413
    chunked = {"Transfer-Encoding": "chunked"}
    assert by_hand.call(witness.url, "POST", "/add-checkpoint", b"0\r\n\r\n", chunked).status == 411


def test_a_connection_is_kept_for_the_next_request(witness: Running, log: Log) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", witness.port, timeout=30)
    connection.connect()
    first = connection.sock
    for old, size in ((0, 3), (3, 5), (5, 5), (4, 5), (5, 7)):
        connection.request("POST", "/add-checkpoint", log.request(old, size))
        assert connection.getresponse().read()
        assert connection.sock is first
    connection.close()


# ------------------------------------------------------------------------------------------------- what is a crime


def test_a_fork_at_one_size_is_refused_and_two_signed_notes_are_kept_as_evidence(
    witness: Running, log: Log
) -> None:
    witness.add(log.request(0))
    fork = log.fork(at=2)
    for _ in range(2):
        refused = witness.add(fork.request(7))
        # C2SP tlog-witness: a conflict, with the size that was cosigned.
        assert (refused.status, refused.body) == (409, b"7\n")
    (found,) = evidence(witness, log)
    assert found["kind"] == "fork"
    for side, text in (("known", log.text()), ("offered", fork.text())):
        said, _, lines = found[side].partition("\n\n")
        assert said + "\n" == text
        own = [one for one in lines.splitlines(keepends=True) if log.origin in one]
        assert own[0] == log.lines(text)[0]
    assert witness.said.count(f"FORK: {log.origin} signed two trees of size 7") == 1
    assert shown(witness, log).startswith(log.text().encode())
    # It goes on with the tree that it knows.
    assert witness.add(log.grow(1).request(7)).status == 200


def test_a_fork_that_says_that_nothing_was_cosigned_is_refused_and_kept_too(
    witness: Running, log: Log
) -> None:
    witness.add(log.request(0))
    assert witness.add(log.fork(at=0).request(0)).status == 409
    assert [one["kind"] for one in evidence(witness, log)] == ["fork"]


def test_a_smaller_tree_that_was_signed_later_is_a_rollback(witness: Running, log: Log) -> None:
    now = int(time.time())
    witness.add(log.request(0, at=now - 100))
    # An earlier checkpoint that somebody replays is none.
    assert witness.add(log.request(0, 5, at=now - 200)).status == 409
    assert evidence(witness, log) == []
    assert witness.add(log.request(7, 5, at=now)).status == 400
    assert witness.add(log.request(5, 5, at=now)).status == 409
    assert [one["kind"] for one in evidence(witness, log)] == ["rollback"]
    assert f"ROLLBACK: {log.origin} signed a tree of size 5 after it had signed one of size 7" in witness.said


def test_a_restored_log_that_grows_another_way_is_never_cosigned_again(witness: Running, log: Log) -> None:
    witness.add(log.request(0))
    restored = log.fork(at=4).grow(20)
    assert witness.add(restored.request(7)).status == 422
    (found,) = evidence(witness, log)
    assert (found["kind"], found["old"]) == ("no-proof", 7)
    assert shown(witness, log).startswith(log.text().encode())


def test_status_tells_of_evidence_by_its_exit_code(tmp_path: Path) -> None:
    log = Log().grow(3)
    with running(tmp_path, "w.example/status") as witness:
        witness.knows(log)
        witness.add(log.request(0))
        done = witness.status()
        assert done.code == 0
        (said,) = json.loads(done.out)["logs"]
        assert (said["origin"], said["size"], said["root"]) == (
            log.origin,
            3,
            by_hand.tree(log.leaves).hex(),
        )
        witness.add(log.fork(at=1).request(3))
        done = witness.status()
        assert done.code == 15
        assert "FORK" in done.out


def test_false_proofs_by_the_hundred_keep_no_true_evidence_from_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_files, "_MOST", 5)
    log = Log().grow(3)
    with running(tmp_path, "w.example/flooded") as witness:
        witness.knows(log)
        witness.add(log.request(0))
        for _ in range(9):
            log.grow(1)
            assert witness.add(request(3, [bytes(32)], log.note())).status == 422
        fork = log.fork(at=0).grow(40)
        witness.add(fork.request(3))
        witness.add(log.fork(at=0).request(3, 3))
        kept = evidence(witness, log)
        assert len(kept) == 6
        assert fork.text() in [one["offered"].partition("\n\n")[0] + "\n" for one in kept]
        assert [one["kind"] for one in kept].count("fork") == 1


# ------------------------------------------------------------------------------------------------- what must last


def test_as_a_process_it_remembers_beyond_its_end(tmp_path: Path) -> None:
    log = Log().grow(4)
    witness = Running.make(tmp_path, "w.example/lasting").start_process()
    try:
        witness.knows(log)
        witness.add(log.request(0))
        assert witness.stop() == 0
        witness.start()
        assert witness.add(log.request(0)).status == 409
        assert witness.add(log.fork(at=0).request(4)).status == 409
        assert witness.add(log.grow(2).request(4)).status == 200
    finally:
        witness.stop()


_DIES = """
import os, signal, sys
from contextlib import contextmanager
from sharing.witness.memory import Memory
real = Memory.alone
@contextmanager
def alone(self):
    with real(self):
        yield self
    os.kill(os.getpid(), signal.SIGKILL)
Memory.alone = alone
from sharing.verifier.cli import main
main(sys.argv[1:])
"""


def test_a_kill_between_the_durable_write_and_the_answer_loses_nothing(tmp_path: Path) -> None:
    log = Log().grow(4)
    witness = Running.make(tmp_path, "w.example/killed")
    witness.knows(log)
    dying = witness.start_process(("-c", _DIES)).process
    assert dying is not None
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        witness.add(log.request(0))
    assert dying.wait(30) == -9
    try:
        witness.start()
        # It is bound to what it did not say: another tree is refused, the same one goes on.
        assert witness.add(log.fork(at=1).request(4)).status == 409
        answer = witness.add(log.request(0))
        assert (answer.status, answer.body) == (409, b"4\n")
        assert witness.add(log.request(4)).status == 200
    finally:
        witness.stop()


def test_without_its_memory_it_cosigns_nothing(tmp_path: Path) -> None:
    log = Log().grow(4)
    with running(tmp_path, "w.example/full") as witness:
        witness.knows(log)
        holder = sqlite3.connect(witness.home / "state.sqlite3")
        holder.execute("DROP TABLE log")
        holder.close()
        answer = witness.add(log.request(0))
        assert answer.status == 503
        assert b"\xe2\x80\x94" not in answer.body


def test_of_many_at_once_each_size_has_one_successor(witness: Running, log: Log) -> None:
    """Requests race: whatever is answered 200 continues what was cosigned before it."""
    witness.add(log.request(0))
    log.grow(40)
    bodies = [log.request(7, size) for size in range(8, 40)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(witness.add, bodies))
    assert sorted(one.status for one in answers) == [200] + [409] * 31
    won = next(at for at, one in enumerate(answers) if one.status == 200)
    assert shown(witness, log).startswith(log.text(8 + won).encode())


# ------------------------------------------------------------------------------------------------- who may see


def test_unless_it_is_told_to_it_shows_nobody_how_a_log_grows(tmp_path: Path) -> None:
    log = Log().grow(4)
    with running(tmp_path, "w.example/closed") as witness:
        witness.knows(log)
        witness.add(log.request(0))
        assert shown(witness, log) == b""


def test_with_a_token_it_shows_it_to_those_who_have_it(tmp_path: Path) -> None:
    log = Log().grow(4)
    (tmp_path / "token").write_text("a-token\n")
    path = f"/{hashlib.sha256(log.origin.encode()).hexdigest()}/checkpoint"
    with running(tmp_path, "w.example/token", "--monitoring-token-file", str(tmp_path / "token")) as witness:
        witness.knows(log)
        witness.add(log.request(0))
        for sent, status in (("Bearer a-token", 200), ("Bearer other", 404), ("Bearer ", 404), ("", 404)):
            assert by_hand.call(witness.url, "GET", path, headers={"Authorization": sent}).status == status


# ------------------------------------------------------------------------------------------------- bounds


def test_one_address_may_ask_so_often(tmp_path: Path) -> None:
    with running(tmp_path, "w.example/bounded", "--each-minute", "5") as witness:
        statuses = [by_hand.call(witness.url, "GET", "/").status for _ in range(8)]
        assert statuses.count(429) >= 3
        assert by_hand.call(witness.url, "GET", "/").headers["retry-after"] == "1"


def test_an_ipv6_network_is_one_address() -> None:
    assert _who("2001:db8:1:2::1") == _who("2001:db8:1:2:ffff::9") != _who("2001:db8:1:3::1")
    assert _who("192.0.2.1") != _who("192.0.2.2")


def test_connections_that_say_nothing_hold_up_nobody(witness: Running, log: Log) -> None:
    silent = [socket.create_connection(("127.0.0.1", witness.port)) for _ in range(20)]
    slow = socket.create_connection(("127.0.0.1", witness.port))
    slow.sendall(b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 100000\r\n\r\nold")
    assert witness.add(log.request(0)).status == 200
    for one in (*silent, slow):
        one.close()


def test_one_address_has_so_many_connections(witness: Running) -> None:
    held = [socket.create_connection(("127.0.0.1", witness.port)) for _ in range(40)]
    ended = 0
    for one in held:
        one.settimeout(2.0 if ended else 10.0)
    for one in reversed(held):
        one.settimeout(0.5)
        try:
            ended += one.recv(1) == b""
        except TimeoutError:
            break
    assert ended == 8
    for one in held:
        one.close()


# ------------------------------------------------------------------------------------------------- commands


def test_a_private_key_is_only_written_encrypted_and_never_over_another(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("correct horse\n")
    (tmp_path / "nothing").write_text("\n")
    options = ("--home", str(tmp_path / "w"), "--name", "w.example/a")
    assert stillwatch("keygen", *options, "--passphrase-file", str(tmp_path / "nothing")).code == 2
    done = stillwatch("keygen", *options, "--passphrase-file", str(tmp_path / "passphrase"))
    assert done.code == 0
    key = tmp_path / "w" / "ml-dsa-44.pem"
    assert key.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert key.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "w" / "vkeys.txt").read_text() == done.out
    before = key.read_bytes()
    again = stillwatch("keygen", *options, "--passphrase-file", str(tmp_path / "passphrase"))
    assert again.code == 2
    assert "holds a witness already" in again.err
    assert key.read_bytes() == before


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        ("log.example/x\n", "an origin alone needs the publisher's keys (--jwks)"),
        ("log.example/x+00000000+AAAA\n", "line 1"),
        ("two words\n", "neither a verifier key nor an origin"),
        (Log().vkeys[0] + "\n", "has no ML-DSA-44 key"),
        (by_hand.vkey("w.example", 4, bytes(32)) + "\n", "is a witness's, not a log's"),
    ],
    ids=["origin alone", "no key", "two words", "one key of two", "a witness"],
)
def test_a_list_of_logs_that_cannot_be_used_is_said_in_a_sentence(
    tmp_path: Path, listed: str, sentence: str
) -> None:
    witness = Running.make(tmp_path, "w.example/a")
    (witness.home / "logs.txt").write_text(listed)
    done = stillwatch(*witness.serve[1:])
    assert done.code == 2
    assert sentence in done.err
    assert "Traceback" not in done.err


def test_a_list_that_breaks_while_it_runs_stays_as_it_was(witness: Running, log: Log) -> None:
    assert witness.add(log.request(0)).status == 200
    listed = witness.home / "logs.txt"
    good = listed.read_text()
    listed.write_text("two words\n")
    assert witness.add(log.request(7)).status == 200
    assert "stays as it was" in witness.said
    listed.write_text(good)


def test_with_a_trust_root_it_knows_every_log_of_the_publisher_and_new_ones_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_PAUSE_SECONDS", 0.01)
    log = Log().grow(3)
    other = Log(f"{log.origin}/other", [], log.ed25519, log.ml_dsa).grow(4)
    now = datetime.now(UTC)
    publisher = TrustRepository(
        tmp_path / "published",
        now=now,
        log_signers=[Ed25519Signer(log.ed25519), MlDsa44Signer(log.ml_dsa)],
        ceilings={log.origin: "amber"},
    )
    TrustStore.init(tmp_path / "trusted", publisher.root_json, str(publisher.folder))
    witness = Running.make(tmp_path, "w.example/trusting")
    witness.options = ("--trust", str(tmp_path / "trusted"))
    witness.start()
    try:
        assert witness.add(log.request(0)).status == 200
        assert witness.add(other.request(0)).status == 404
        publisher.ceilings[other.origin] = "green"
        publisher.publish(now)
        deadline = time.monotonic() + 60
        while witness.add(other.request(0)).status != 200:
            assert time.monotonic() < deadline, witness.said
            time.sleep(0.05)
        assert witness.add(Log(log.origin).grow(9).request(0)).status == 403
    finally:
        witness.stop()


def test_without_a_trusted_root_it_says_how_to_get_one(tmp_path: Path) -> None:
    witness = Running.make(tmp_path, "w.example/trusting")
    witness.options = ("--trust", str(tmp_path / "nothing"))
    done = stillwatch(*witness.serve[1:])
    assert done.code == 2
    assert "stillwatch verify init --root" in done.err


# TLS


@dataclass(frozen=True)
class Certified:
    """A CA of its own, and what it certified for 127.0.0.1: files in PEM."""

    ca: Path
    cert: Path
    key: Path


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    folder = tmp_path_factory.mktemp("tls")
    now, ca_key, key = (
        datetime.now(UTC),
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA of a test")])

    def certificate(name: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        )

    ca = (
        certificate(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(ca_key, hashes.SHA256())
    )
    own = (
        certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "witness.example")]), key.public_key())
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(ca_key, hashes.SHA256())
    )
    made = Certified(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    made.ca.write_bytes(ca.public_bytes(Encoding.PEM))
    made.cert.write_bytes(own.public_bytes(Encoding.PEM))
    made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


def test_it_speaks_tls_with_a_certificate_of_its_own(tmp_path: Path, certified: Certified) -> None:
    options = ("--tls-cert", str(certified.cert), "--tls-key", str(certified.key))
    with running(tmp_path, "tls.example/w", *options) as witness:
        log = Log().grow(3)
        witness.knows(log)
        silent = socket.create_connection(("127.0.0.1", witness.port))
        trusting = ssl.create_default_context(cafile=certified.ca)
        connection = http.client.HTTPSConnection("127.0.0.1", witness.port, timeout=30, context=trusting)
        # Two requests on one connection, while another one says nothing.
        for old, size in ((0, 3), (3, 5)):
            if size > 3:
                log.grow(2)
            connection.request("POST", "/add-checkpoint", log.request(old))
            answer = connection.getresponse()
            assert answer.status == 200
            assert by_hand.cosigner(answer.read(), witness.vkeys, log.text())
        connection.close()
        silent.close()

        # Who does not know the CA, expects another name, or speaks no TLS, has no connection.
        with pytest.raises(ssl.SSLCertVerificationError):
            http.client.HTTPSConnection("127.0.0.1", witness.port, timeout=30).request("GET", "/")
        with (
            socket.create_connection(("127.0.0.1", witness.port)) as plain,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            trusting.wrap_socket(plain, server_hostname="another.example")
        old_tls = ssl.create_default_context(cafile=certified.ca)
        with pytest.warns(DeprecationWarning, match="TLS"):
            old_tls.minimum_version = old_tls.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            http.client.HTTPSConnection("127.0.0.1", witness.port, timeout=30, context=old_tls).request(
                "GET", "/"
            )
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            by_hand.call(witness.url, "GET", "/")
        connection = http.client.HTTPSConnection("127.0.0.1", witness.port, timeout=30, context=trusting)
        connection.request("GET", "/")
        assert connection.getresponse().status == 404
        connection.close()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--tls-key", "{key}"), "--tls-key needs --tls-cert"),
        (("--tls-cert", "{ca}", "--tls-key", "{key}"), "--tls-cert: cannot use "),
        (("--tls-cert", "{cert}"), "--tls-cert: cannot use "),
        (("--tls-cert", "{cert}.none", "--tls-key", "{key}"), "--tls-cert: cannot use "),
    ],
)
def test_tls_files_that_cannot_be_used_are_said_in_a_sentence(
    tmp_path: Path, certified: Certified, options: tuple[str, ...], sentence: str
) -> None:
    filled = [one.format(ca=certified.ca, cert=certified.cert, key=certified.key) for one in options]
    witness = Running.make(tmp_path, "tls.example/w", *filled)
    ended = stillwatch(*witness.serve[1:])
    assert ended.code == 2
    assert sentence in ended.err
    assert "Traceback" not in ended.err
