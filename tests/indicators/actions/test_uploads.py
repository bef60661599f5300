"""Large files: taken apart into submissions in one transaction, held as drafts, the same file once."""

import json as plain_json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import RequestFactory

from accounts.actions.quotas import OverQuota
from accounts.admission import Stored
from accounts.models import AuditEvent, Token
from indicators.actions import submissions, uploads
from indicators.actions.uploads import ReceivedUpload
from indicators.models import Submission, Upload
from indicators.stix import json
from tests.indicators.actions.conftest import BY, NOW, Trust

HOLDS = 12_000


def campaigns(count: int = HOLDS) -> bytes:
    """A bundle of more objects than a submission of an upload holds."""
    found = [{"type": "campaign", "id": f"campaign--{n:08}"} for n in range(count)]
    return plain_json.dumps({"type": "bundle", "objects": found}).encode()


def receive(trust: Trust, body: bytes, **others: Any) -> ReceivedUpload:
    given: dict[str, Any] = {
        "organization_id": trust.lab_a.id,
        "token_id": None,
        "channel": "rest",
        "collection_id": trust.inbox,
        "body_format": "stix",
        "by": BY,
        "now": NOW,
        "name": "campaigns.json",
    }
    chunks = (body[start : start + 100_000] for start in range(0, len(body), 100_000))
    return uploads.receive(chunks=chunks, community_id=trust.community.id, **(given | others))


def test_a_file_becomes_submissions_that_hold_its_objects_in_order_byte_for_byte(trust: Trust) -> None:
    body = campaigns()

    received = receive(trust, body)

    stored = list(Submission.objects.order_by("part"))
    assert [one.id for one in stored] == [one.id for one in received.submissions]
    assert [(one.part, one.offset, one.object_count) for one in stored] == [
        (1, 0, 5000),
        (2, 5000, 5000),
        (3, 10_000, 2000),
    ]
    assert [raw for one in stored for raw in json.split(bytes(one.body))] == json.split(body)
    assert {(one.state, one.channel, one.organization_id) for one in stored} == {
        ("received", "rest", trust.lab_a.id)
    }
    upload = Upload.objects.get()
    assert (upload.id, upload.size, upload.part_count, upload.object_count) == (
        received.id,
        len(body),
        3,
        HOLDS,
    )
    (event,) = AuditEvent.objects.all()
    assert (event.action, event.target) == ("upload.receive", f"upload:{upload.id}")


@pytest.mark.parametrize(
    ("tail", "code"), [(b"[", "not-json"), (b"\xff", "invalid-utf8"), (b',"objects":[]}', "duplicate-key")]
)
def test_a_file_with_a_broken_tail_leaves_nothing(trust: Trust, tail: bytes, code: str) -> None:
    with pytest.raises(json.Refused) as refusal:
        receive(trust, campaigns()[:-1] + tail)

    assert refusal.value.code == code
    assert Upload.objects.count() == Submission.objects.count() == AuditEvent.objects.count() == 0


def test_a_file_over_the_limit_is_refused_before_it_is_kept(trust: Trust, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = 100_000

    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 30_000

    with pytest.raises(json.Refused, match="longer than the 100,000"):
        uploads.receive(
            chunks=endless(),
            community_id=trust.community.id,
            organization_id=trust.lab_a.id,
            token_id=None,
            channel="rest",
            collection_id=trust.inbox,
            body_format="stix",
            by=BY,
            now=NOW,
        )


@pytest.fixture
def small_disk(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """No file may grow beyond 150,000 bytes."""
    settings.UPLOADS_DIR = tmp_path / "uploads"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, before[1]))
    yield settings.UPLOADS_DIR
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("pieces", [[200_000], [100_000, 100_000], [148_000, 3_000]])
def test_a_full_disk_is_said_and_leaves_nothing(trust: Trust, small_disk: Path, pieces: list[int]) -> None:
    with (
        pytest.raises(uploads.NoRoom, match="no room on disk"),
        uploads.spooled(b" " * one for one in pieces),
    ):
        pass

    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("size", [100_000, 151_000, 400_000])
def test_a_form_on_a_full_disk_says_so_and_leaves_nothing(small_disk: Path, size: int) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n%b\r\n--x--\r\n' % (
        b" " * size
    )
    request = RequestFactory().post("/", body, content_type="multipart/form-data; boundary=x")
    request.upload_handlers = [Stored(request)]

    fits = size < 150_000
    assert len(request.FILES) == fits
    assert getattr(request, "no_room", False) is not fits
    # It lies there under no name: nothing would be left of it if the process ended now.
    assert list(small_disk.iterdir()) == []
    if fits:
        (stored,) = request.FILES.getlist("file")
        assert stored.read() == b" " * size


def test_parts_are_ingested_in_the_order_of_the_file(trust: Trust) -> None:
    first, second, third = (one.id for one in receive(trust, campaigns()).submissions)
    other = trust.receive(b'{"objects":[{}]}')
    later = NOW + timedelta(minutes=1)

    assert submissions.claim(second) is None
    assert set(submissions.waiting(now=later)) == {first, other.id}
    assert submissions.following(other.id) is None
    Submission.objects.filter(id=first).update(state="quarantined")
    assert submissions.following(first) == second
    assert submissions.claim(third) is None
    assert submissions.claim(second) is not None


def test_the_same_file_within_a_day_is_the_same_upload(trust: Trust) -> None:
    body = campaigns(10)
    first = receive(trust, body)

    assert receive(trust, body, now=NOW + timedelta(hours=23)).id == first.id
    assert receive(trust, body, now=NOW + timedelta(hours=25)).id != first.id
    assert Submission.objects.count() == 2


@pytest.mark.parametrize("other", ["organization_id", "collection_id", "body_format", "idempotency_key"])
def test_what_differs_makes_another_upload(trust: Trust, other: str) -> None:
    body = b'{"objects":[]}'
    values = {
        "organization_id": trust.lab_b.id,
        "collection_id": uuid4(),
        "body_format": "ndjson",
        "idempotency_key": "another",
    }

    assert receive(trust, body).id != receive(trust, body, **{other: values[other]}).id


def test_a_key_answers_with_its_upload_and_refuses_another_file(trust: Trust) -> None:
    first = receive(trust, campaigns(3), idempotency_key="k")

    again = receive(trust, campaigns(3), idempotency_key="k", now=NOW + timedelta(days=30))

    assert (again.id, again.repeated) == (first.id, True)
    with pytest.raises(submissions.KeyReused):
        receive(trust, campaigns(4), idempotency_key="k")


def test_a_file_over_the_quota_of_its_token_leaves_nothing(trust: Trust, settings: Any) -> None:
    settings.QUOTA_OBJECTS_PER_HOUR = 10
    token = Token.objects.create(organization=trust.lab_a, name="files", digest=b"d" * 32, scopes=["submit"])
    receive(trust, campaigns(8), token_id=token.id)

    with pytest.raises(OverQuota):
        receive(trust, campaigns(5), token_id=token.id)

    assert Upload.objects.count() == Submission.objects.count() == 1
    # The same again costs nothing.
    assert receive(trust, campaigns(8), token_id=token.id).repeated


def test_a_draft_is_not_ingested_until_it_is_submitted(trust: Trust) -> None:
    draft = receive(trust, campaigns(3), is_draft=True)
    (part,) = draft.submissions
    assert submissions.claim(part.id) is None

    submitted = uploads.submit(upload_id=draft.id, by=BY, now=NOW)

    assert submitted.submissions == (part,)
    claimed = submissions.claim(part.id)
    assert claimed is not None
    assert len(json.split(claimed.body)) == 3
    with pytest.raises(uploads.NoDraft):
        uploads.submit(upload_id=draft.id, by=BY, now=NOW)
    with pytest.raises(uploads.NoDraft):
        uploads.discard(upload_id=draft.id, by=BY, now=NOW)


def test_a_draft_is_let_go_by_hand_or_after_a_day_and_nothing_else_is(trust: Trust) -> None:
    kept = receive(trust, campaigns(1))
    first, second = (receive(trust, campaigns(count), is_draft=True) for count in (2, 3))

    uploads.discard(upload_id=first.id, by=BY, now=NOW)
    assert uploads.discard_old(now=NOW + timedelta(hours=23)) == 0
    assert uploads.discard_old(now=NOW + timedelta(hours=25)) == 1

    assert [one.id for one in Upload.objects.all()] == [kept.id]
    assert Submission.objects.count() == 1
    with pytest.raises(uploads.NoDraft):
        uploads.beginning(upload_id=second.id, count=10)


def test_the_beginning_of_a_draft_can_be_looked_at(trust: Trust) -> None:
    draft = receive(trust, campaigns(30), is_draft=True)

    found = uploads.beginning(upload_id=draft.id, count=10)

    assert json.split(found.body) == json.split(campaigns(30))[:10]


_SENDS = """
import re, sys
from pathlib import Path
from datetime import datetime, UTC
from uuid import UUID
import django
django.setup()
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
from accounts.actor import Actor
from indicators.actions import uploads

def chunks():
    number, made = 0, 0
    yield b'{"objects":['
    while made < 60_000_000:
        element = b'{"type":"campaign","id":"campaign--%08d","name":"%s"}' % (number, b"x" * 2000)
        yield (b"," if number else b"") + element
        number, made = number + 1, made + len(element)
    yield b"]}"

def send(source):
    return uploads.receive(
        chunks=source, community_id=UUID(sys.argv[2]), organization_id=UUID(sys.argv[3]), token_id=None,
        channel="rest", collection_id=UUID(sys.argv[3]), body_format="stix", by=Actor("service:test"),
        now=datetime.now(UTC),
    )

send([b'{"objects":[{}]}'])

def kilobytes(name):
    return int(re.search(name + r":\\s+([0-9]+)", Path("/proc/self/status").read_text())[1])

# The peak is reckoned from here on.
Path("/proc/self/clear_refs").write_text("5")
before = kilobytes("VmRSS")
found = send(chunks())
print(found.object_count, len(found.submissions), kilobytes("VmHWM") - before)
"""


@pytest.mark.django_db(transaction=True)
def test_sixty_megabytes_are_received_in_thirty_of_memory(trust: Trust) -> None:
    from django.db import connection

    database = str(connection.settings_dict["NAME"])
    done = subprocess.run(
        [sys.executable, "-c", _SENDS, database, str(trust.community.id), str(trust.lab_a.id)],
        cwd=Path(__file__).parents[3],
        env=os.environ | {"PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    objects, parts, kilobytes = map(int, done.stdout.split())
    assert (objects, parts) == (29_198, 15)
    assert kilobytes < 30_000
