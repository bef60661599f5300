"""The signer: what it signs and what not, on its real socket with real files."""

import json
import os
import re
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from sharing.signing import jws, keys, note_keys, server, wire
from sharing.signing.high_water import FILE, HighWaterFile
from sharing.signing.keys import KeySet, PublishedKey, UnreadableKey
from sharing.signing.note_keys import NoteKey, SignatureType
from sharing.signing.remote import (
    CheckpointRefused,
    LogSigner,
    NoSigningKey,
    ObjectSigner,
    SignerAway,
    SignerClient,
    SignerRefused,
    TrustSigner,
)
from sharing.signing.service import Mark
from sharing.signing.wire import Code, HeldKey, Purpose
from sharing.tlog import merkle

PASSPHRASE = b"only for tests"
ORIGIN = "intel.example.org/log/6f1b7d3e-0c55-4d0a-9b1e-2f6c8a7d9e10"


class Signer:
    """A signer of a directory, and what asks it."""

    def __init__(self, home: Path) -> None:
        self.socket, self.directory = home / "s", home / "keys"
        self.client = SignerClient(self.socket)

    @contextmanager
    def running(self, **changes: object) -> Iterator[None]:
        wanted = {"passphrase": PASSPHRASE, "uids": {os.geteuid()}} | changes
        with server.opened(socket_path=self.socket, keys_directory=self.directory, **wanted) as one:  # type: ignore[arg-type]
            thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield
            finally:
                one.shutdown()
                thread.join()

    def log_signer(self) -> LogSigner:
        made = [self.client.generate(purpose).kid for purpose in (Purpose.LOG, Purpose.LOG_ML_DSA)]
        return LogSigner(self.client, ed25519=made[0], ml_dsa=made[1])


@pytest.fixture
def stopped(tmp_path: Path) -> Signer:
    return Signer(tmp_path)


@pytest.fixture
def signer(stopped: Signer) -> Iterator[Signer]:
    with stopped.running():
        yield stopped


def object_signer(signer: Signer) -> tuple[ObjectSigner, KeySet]:
    made = signer.client.generate(Purpose.OBJECT)
    return ObjectSigner(signer.client, made.kid), KeySet.from_jwks(keys.jwks([PublishedKey(made.jwk)]))


LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(40)]


def head(size: int, leaves: list[bytes] = LEAVES) -> tuple[int, bytes]:
    return size, merkle.root_of(leaves[:size])


def proof(first: int, second: int, leaves: list[bytes] = LEAVES) -> list[bytes]:
    def read(level: int, index: int) -> bytes:
        return merkle.root_of(leaves[index << level : (index + 1) << level])

    return merkle.consistency_proof(first, second, read)


def checkpoint(log: LogSigner, size: int, *, after: int | None, origin: str = ORIGIN) -> wire.SignedNote:
    """What the signer says to a tree of so many leaves, with the proof that it continues `after`."""
    size, root = head(size)
    path = [] if after is None else proof(after, size)
    return log.checkpoint(origin=origin, size=size, root=root, proof=path)


# ----------------------------------------------------------------------------------------------------- objects


def test_a_thousand_objects_are_signed_in_one_exchange_and_verify(signer: Signer) -> None:
    one, known = object_signer(signer)
    bodies = [json.dumps({"n": number}).encode() for number in range(1000)]

    made = jws.sign_objects(one, bodies)

    assert [jws.verify_object(known, body, each) for body, each in zip(bodies, made, strict=True)] == [
        one.kid
    ] * 1000
    assert jws.sign_objects(one, []) == []


def test_receipts_and_deliveries_are_signed_as_what_they_are(signer: Signer) -> None:
    one, known = object_signer(signer)
    for typ in jws.TYPES:
        assert jws.verify(known, b"{}", jws.sign(one, b"{}", typ=typ), typ=typ) == one.kid


@pytest.mark.parametrize(
    "message",
    [
        lambda kid: b"",
        lambda kid: jws.encoded_header(kid, jws.OBJECT),
        lambda kid: jws.encoded_header(kid, jws.OBJECT) + b".",
        lambda kid: jws.encoded_header(kid, jws.OBJECT) + b".e30=",
        lambda kid: jws.encoded_header(kid, jws.OBJECT) + b".e3 0",
        lambda kid: jws.encoded_header(kid, jws.OBJECT) + b".e30.e30",
        lambda kid: jws.encoded_header(keys.generate().kid, jws.OBJECT) + b".e30",
        lambda kid: jws.encoded_header(kid, "anything-else+jws") + b".e30",
        lambda kid: f"{ORIGIN}\n1\n{'A' * 43}=\n".encode(),
        lambda kid: b'{"_type":"root"}',
    ],
)
def test_an_object_key_signs_nothing_but_what_bears_its_own_header(
    signer: Signer, message: Callable[[str], bytes]
) -> None:
    one, _ = object_signer(signer)
    good = jws.encoded_header(one.kid, jws.OBJECT) + b".e30"

    with pytest.raises(SignerRefused, match=r"messages\[1\]") as refused:
        one.sign_many([good, message(one.kid)])

    assert refused.value.code is Code.NOT_ALLOWED
    assert len(one.sign(good)) == 64


def test_a_key_signs_for_its_one_purpose(signer: Signer) -> None:
    made = {purpose: signer.client.generate(purpose) for purpose in Purpose}

    for purpose, key in made.items():
        asked: dict[Purpose, Callable[[str], object]] = {
            Purpose.OBJECT: lambda kid: ObjectSigner(signer.client, kid).sign(
                jws.encoded_header(kid, jws.OBJECT) + b".e30"
            ),
            Purpose.TRUST: lambda kid: TrustSigner(signer.client, kid, {}).sign(b'{"_type":"timestamp"}'),
            Purpose.LOG: lambda kid: checkpoint(
                LogSigner(signer.client, ed25519=kid, ml_dsa=made[Purpose.LOG_ML_DSA].kid), 0, after=None
            ),
            Purpose.LOG_ML_DSA: lambda kid: checkpoint(
                LogSigner(signer.client, ed25519=made[Purpose.LOG].kid, ml_dsa=kid), 0, after=None
            ),
        }
        for use, ask in asked.items():
            if use is purpose:
                ask(key.kid)
            else:
                with pytest.raises(NoSigningKey, match=f"no key {key.kid} for {use}"):
                    ask(key.kid)


@pytest.mark.parametrize(
    "payload", [b'{"_type":"root"}', b'{"_type":["timestamp"]}', b"[]", b"7", b"\xff", b"[" * 100_000]
)
def test_only_metadata_of_online_roles_is_signed(signer: Signer, payload: bytes) -> None:
    trust = TrustSigner(signer.client, signer.client.generate(Purpose.TRUST).kid, {})

    with pytest.raises(SignerRefused):
        trust.sign(payload)

    assert len(trust.sign(b'{"_type":"snapshot","version":1}')) == 64


# ------------------------------------------------------------------------------------------------- checkpoints


def log_keys(held: list[HeldKey]) -> list[NoteKey]:
    types = {Purpose.LOG: SignatureType.ED25519, Purpose.LOG_ML_DSA: SignatureType.ML_DSA_44}
    return [
        NoteKey(ORIGIN, types[key.purpose], keys.public_bytes(key.jwk))
        for key in held
        if key.purpose in types
    ]


def test_a_checkpoint_bears_both_lines_and_the_signers_own_time(signer: Signer) -> None:
    log = signer.log_signer()

    made = checkpoint(log, 7, after=None)

    verified = note_keys.verify_checkpoint(
        made.note.encode(), origin=ORIGIN, log_keys=log_keys(signer.client.held_keys())
    )
    assert (verified.checkpoint.size, verified.checkpoint.root) == head(7)
    assert verified.timestamp == made.timestamp


def test_a_log_that_grows_is_signed_with_a_proof_that_it_does(signer: Signer) -> None:
    log = signer.log_signer()
    checkpoint(log, 0, after=None)
    checkpoint(log, 7, after=0)
    checkpoint(log, 7, after=None)
    checkpoint(log, 40, after=7)

    with pytest.raises(CheckpointRefused) as smaller:
        checkpoint(log, 39, after=7)

    assert (smaller.value.code, smaller.value.size, smaller.value.root) == (Code.SMALLER, *head(40))
    # Each log has its own.
    checkpoint(log, 3, after=None, origin=f"intel.example.org/log/{uuid4()}")


def test_another_root_at_the_same_size_is_refused(signer: Signer) -> None:
    log = signer.log_signer()
    checkpoint(log, 7, after=None)
    size, root = head(7, [merkle.leaf_hash(b"another"), *LEAVES])

    with pytest.raises(CheckpointRefused, match="has others in their place") as refused:
        log.checkpoint(origin=ORIGIN, size=size, root=root, proof=[])

    assert refused.value.code is Code.ANOTHER_ROOT


def test_a_larger_tree_that_does_not_continue_the_last_is_refused(signer: Signer) -> None:
    log = signer.log_signer()
    checkpoint(log, 7, after=None)
    others = [merkle.leaf_hash(b"another"), *LEAVES]
    size, root = head(20, others)

    for path in ([], proof(7, 20), proof(7, 20, others), proof(8, 20)):
        with pytest.raises(CheckpointRefused) as refused:
            log.checkpoint(origin=ORIGIN, size=size, root=root, proof=path)
        assert refused.value.code is Code.INCONSISTENT

    checkpoint(log, 20, after=7)


@pytest.mark.parametrize(
    "origin",
    ["", "intel.example.org", "a b/log/6f1b7d3e-0c55-4d0a-9b1e-2f6c8a7d9e10", f"{ORIGIN}\n", ORIGIN.upper()],
)
def test_a_log_key_signs_for_logs_only(signer: Signer, origin: str) -> None:
    log = signer.log_signer()
    with pytest.raises(SignerRefused):
        log.checkpoint(origin=origin, size=0, root=merkle.EMPTY_ROOT, proof=[])


def test_what_was_signed_is_remembered_by_the_next_signer(stopped: Signer) -> None:
    with stopped.running():
        log = stopped.log_signer()
        checkpoint(log, 9, after=None)
    with stopped.running():
        assert {key.purpose for key in stopped.client.held_keys()} == {Purpose.LOG, Purpose.LOG_ML_DSA}
        with pytest.raises(CheckpointRefused):
            checkpoint(log, 8, after=None)
        checkpoint(log, 12, after=9)


def test_many_who_ask_at_once_are_never_given_two_trees(signer: Signer) -> None:
    log = signer.log_signer()
    outcomes: list[bytes | None] = []
    twins = [head(9), head(9, [merkle.leaf_hash(b"another"), *LEAVES])]

    def ask(number: int) -> None:
        size, root = twins[number % 2]
        try:
            log.checkpoint(origin=ORIGIN, size=size, root=root, proof=[])
            outcomes.append(root)
        except CheckpointRefused:
            outcomes.append(None)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(outcomes) - {None}) == 1
    assert outcomes.count(None) == 8


def test_the_memory_takes_no_smaller_tree_whoever_asks(tmp_path: Path) -> None:
    memory = HighWaterFile(tmp_path / FILE)
    memory.write(ORIGIN, Mark(*head(9)))

    for size in (8, 9):
        with pytest.raises(ValueError, match="or more"):
            memory.write(ORIGIN, Mark(*head(size)))

    assert memory.read(ORIGIN) == Mark(*head(9))
    with sqlite3.connect(tmp_path / FILE) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


# ---------------------------------------------------------------------------------------------- the directory


def test_keys_are_encrypted_files_of_their_owner_alone(signer: Signer) -> None:
    made = signer.client.generate(Purpose.OBJECT), signer.client.generate(Purpose.LOG_ML_DSA)

    names = [f"{made[0].kid}.pem", f"{made[1].kid}.log-ml-dsa.pem"]
    assert {file.name for file in signer.directory.glob("*.pem")} == set(names)
    for name in names:
        file = signer.directory / name
        assert file.stat().st_mode & 0o777 == 0o600
        assert b"ENCRYPTED PRIVATE KEY" in file.read_bytes()
    assert (signer.directory / FILE).stat().st_mode & 0o777 == 0o600
    assert signer.directory.stat().st_mode & 0o777 == 0o700


def test_a_key_file_of_before_there_was_a_signer_still_signs(stopped: Signer) -> None:
    old = keys.generate()
    stopped.directory.mkdir()
    (stopped.directory / f"{old.kid}.pem").write_bytes(old.to_pem(PASSPHRASE))

    with stopped.running():
        signed = jws.sign_object(ObjectSigner(stopped.client, old.kid), b"{}")

    jws.verify_object(KeySet.from_jwks(keys.jwks([PublishedKey(old.public_jwk())])), b"{}", signed)


@pytest.mark.parametrize(
    ("passphrase", "says"),
    [(b"wrong", "passphrase is wrong"), (b"", "passphrase of the signing keys is empty")],
)
def test_a_wrong_passphrase_is_said_at_the_start(stopped: Signer, passphrase: bytes, says: str) -> None:
    with stopped.running():
        stopped.client.generate(Purpose.OBJECT)
    with pytest.raises(UnreadableKey, match=says), stopped.running(passphrase=passphrase):
        pass


def test_a_key_file_under_another_keys_name_is_refused(stopped: Signer) -> None:
    stopped.directory.mkdir()
    (stopped.directory / f"{keys.generate().kid}.pem").write_bytes(keys.generate().to_pem(PASSPHRASE))
    with pytest.raises(UnreadableKey, match="another key than its name says"), stopped.running():
        pass


def test_log_keys_without_their_memory_sign_nothing_until_somebody_says_so(stopped: Signer) -> None:
    with stopped.running():
        log = stopped.log_signer()
        checkpoint(log, 9, after=None)
    for file in stopped.directory.glob(f"{FILE}*"):
        file.unlink()

    with pytest.raises(server.CannotStart, match="--forget"), stopped.running():
        pass
    with stopped.running(forget=True):
        checkpoint(log, 8, after=None)


def test_a_destroyed_key_signs_nothing_more_also_after_a_restart(stopped: Signer) -> None:
    with stopped.running():
        old, _ = object_signer(stopped)
        other, _ = object_signer(stopped)
        log = stopped.client.generate(Purpose.LOG)

        assert stopped.client.destroy(old.kid)

        assert not stopped.client.destroy(old.kid)
        with pytest.raises(NoSigningKey):
            jws.sign(old, b"{}", typ=jws.OBJECT)
    assert not list(stopped.directory.glob(f"*{old.kid}*"))
    with stopped.running(forget=True):
        assert {key.kid for key in stopped.client.held_keys()} == {other.kid, log.kid}
        jws.sign(other, b"{}", typ=jws.OBJECT)


@pytest.mark.parametrize("purpose", list(Purpose))
def test_the_newest_key_of_a_purpose_is_never_destroyed(signer: Signer, purpose: Purpose) -> None:
    made = [signer.client.generate(purpose).kid for _ in range(3)]
    for kid in (made[2], made[0], made[1], made[2]):
        if kid == made[2]:
            with pytest.raises(SignerRefused, match=f"is the newest key for {purpose}"):
                signer.client.destroy(kid)
        else:
            assert signer.client.destroy(kid)
    assert [key.kid for key in signer.client.held_keys()] == [made[2]]


@pytest.mark.parametrize("purpose", list(Purpose))
def test_what_signed_since_the_start_is_destroyed_only_after_another_start(
    stopped: Signer, purpose: Purpose
) -> None:
    """Newer keys do not help whoever has taken over a process that asks: nobody trusts these."""
    with stopped.running():
        in_use = {one: stopped.client.generate(one) for one in Purpose}
        used = {one: made.kid for one, made in in_use.items()}
        jws.sign(ObjectSigner(stopped.client, used[Purpose.OBJECT]), b"{}", typ=jws.OBJECT)
        trust = in_use[Purpose.TRUST]
        TrustSigner(stopped.client, trust.kid, trust.jwk).sign(b'{"_type":"timestamp"}')
        log = LogSigner(stopped.client, ed25519=used[Purpose.LOG], ml_dsa=used[Purpose.LOG_ML_DSA])
        checkpoint(log, 9, after=None)
        stopped.client.generate(purpose)

        with pytest.raises(SignerRefused, match="has signed since the signer started"):
            stopped.client.destroy(used[purpose])
    with stopped.running():
        assert stopped.client.destroy(used[purpose])


def test_two_signers_never_share_a_directory(signer: Signer) -> None:
    with pytest.raises(server.CannotStart, match="another signer"), signer.running():
        pass
    assert signer.client.held_keys() == []


# ------------------------------------------------------------------------------------------------- the socket


def raw(signer: Signer) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(str(signer.socket))
    return connection


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"", "cannot be read"),
        (b"\xc1", "cannot be read"),
        (b"\x80", "cannot be read"),
        (b"GET / HTTP/1.1\r\n\r\n", "cannot be read"),
        (wire.encode(wire.Keys())[:-1] + b"?", "cannot be read"),
        (wire.encode(wire.SignMessages("short", [b"x"])), r"\$.kid"),
        (wire.encode(wire.SignMessages("k" * 43, [])), r"\$.messages"),
        (wire.encode(wire.SignCheckpoint("k" * 43, "k" * 43, ORIGIN, -1, bytes(32), [])), r"\$.size"),
        (wire.encode(wire.SignCheckpoint("k" * 43, "k" * 43, ORIGIN, 1, bytes(31), [])), r"\$.root"),
        (wire.encode(wire.SignCheckpoint("k" * 43, "k" * 43, ORIGIN, 1, bytes(32), [b""])), r"\$.proof\[0\]"),
    ],
)
def test_a_request_that_cannot_be_read_gets_its_sentence_and_the_next_its_answer(
    signer: Signer, sent: bytes, says: str
) -> None:
    with raw(signer) as connection:
        wire.send(connection, sent)
        reply = wire.read_reply(wire.receive(connection) or b"")
        assert isinstance(reply, wire.Refusal)
        assert reply.code is Code.MALFORMED
        assert re.search(says, reply.sentence)

        wire.send(connection, wire.encode(wire.Keys()))
        assert wire.read_reply(wire.receive(connection) or b"") == wire.HeldKeys([])


def test_a_message_that_is_too_long_is_refused_before_it_is_read(signer: Signer) -> None:
    with raw(signer) as connection:
        connection.sendall((wire.MAX_FRAME + 1).to_bytes(4, "big"))
        reply = wire.read_reply(wire.receive(connection) or b"")
        assert isinstance(reply, wire.Refusal)
        assert "are more than" in reply.sentence
        assert wire.receive(connection) is None
    one, _ = object_signer(signer)
    with pytest.raises(SignerRefused, match="are more than"):
        one.sign(bytes(wire.MAX_FRAME))
    assert len(signer.client.held_keys()) == 1


def test_whoever_goes_in_the_middle_of_a_message_harms_nobody(signer: Signer) -> None:
    for beginning in (b"\0", b"\0\0\1\0", b"\0\0\1\0abc"):
        with raw(signer) as connection:
            connection.sendall(beginning)
    assert signer.client.held_keys() == []


def test_a_user_who_is_not_on_the_list_is_told_so(stopped: Signer) -> None:
    with (
        stopped.running(uids={os.geteuid() + 1}),
        pytest.raises(SignerAway, match=f"does not serve user {os.geteuid()}"),
    ):
        stopped.client.held_keys()


def test_only_its_user_may_connect_unless_others_are_named(stopped: Signer) -> None:
    with stopped.running():
        assert stopped.socket.stat().st_mode & 0o777 == 0o600
    with stopped.running(uids={os.geteuid(), 10_001}):
        assert stopped.socket.stat().st_mode & 0o777 == 0o660


def test_a_place_where_anybody_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    one = Signer(tmp_path)
    one.socket = tmp_path / "open" / "s"
    with pytest.raises(server.CannotStart, match="place of its own"), one.running():
        pass


def test_more_than_it_serves_wait_for_a_place(signer: Signer) -> None:
    with ExitStack() as held:
        for _ in range(server.MOST_CONNECTIONS):
            one = held.enter_context(raw(signer))
            wire.send(one, wire.encode(wire.Keys()))
            wire.receive(one)
        with pytest.raises(SignerAway, match="connections already"):
            signer.client.held_keys()
    for _ in range(200):
        try:
            assert signer.client.held_keys() == []
            break
        except SignerAway:
            continue


# ------------------------------------------------------------------------------------------------- its absence


def test_without_a_signer_it_is_said_in_a_sentence(stopped: Signer) -> None:
    with pytest.raises(SignerAway, match="does not answer"):
        stopped.client.held_keys()


def test_a_connection_outlives_the_signer_that_it_was_made_with(stopped: Signer) -> None:
    with stopped.running():
        one, known = object_signer(stopped)
        one.sign(jws.encoded_header(one.kid, jws.OBJECT) + b".e30")
    with pytest.raises(SignerAway):
        jws.sign_object(one, b"{}")
    with stopped.running():
        jws.verify_object(known, b"{}", jws.sign_object(one, b"{}"))


def test_a_process_that_was_forked_asks_on_a_connection_of_its_own(signer: Signer) -> None:
    one, known = object_signer(signer)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, jws.sign_object(one, b"{}").encode())
        finally:
            os._exit(0)
    os.close(writing)
    for _ in range(50):
        jws.verify_object(known, b"[]", jws.sign_object(one, b"[]"))
    with os.fdopen(reading, "rb") as answer:
        jws.verify_object(known, b"{}", answer.read().decode())
    os.waitpid(child, 0)


def test_what_is_no_signer_is_not_believed(tmp_path: Path) -> None:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "s"))
    listening.listen()

    def answer() -> None:
        for said in (b"\xc1", wire.encode(wire.Signatures([]))):
            connection, _ = listening.accept()
            wire.receive(connection)
            wire.send(connection, said)
            connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    client = SignerClient(tmp_path / "s")
    for says in ("is no signer", "something else"):
        with pytest.raises(SignerAway, match=says):
            client.held_keys()
    thread.join()
    listening.close()
