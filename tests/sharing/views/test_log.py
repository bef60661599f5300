"""What verifiers read of a log: by those who may read the collection, in the shapes that C2SP names, and no further."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import secrets
from accounts.models import AutoRelease, Community, Membership, Organization, Scope, Token
from sharing import log
from sharing.actions import publication
from sharing.models import Checkpoint, Collection, CollectionGrant, Entry, Kind
from sharing.signing import base64url, keys
from sharing.signing.note_keys import NoteKey, NoteSigner, SignatureType, verify_checkpoint
from sharing.tlog import checkpoints, merkle, notes, proofs, statements, tiles
from sharing.tlog.statements import Reason
from sharing.verifier import object as verify
from tests.bench import logs
from tests.conformance import stix
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.test_publication import append

SIZE = 700
"""Two full tiles of level 0, a partial one of 188, and a partial one of level 1 with two hashes."""
CHECKED = 600


def client_of(organization: Organization | None, *scopes: Scope) -> Client:
    if organization is None:
        return Client()
    secret = secrets.make_secret()
    Token.objects.create(
        organization=organization,
        name=secrets.digest(secret).hex(),
        digest=secrets.digest(secret),
        scopes=list(scopes),
        created_at=NOW,
    )
    return Client(headers={"Authorization": f"Bearer {secret}"})


@pytest.fixture
def reader(shop: Shop) -> Client:
    return client_of(shop.lab_a, Scope.FEED_READ)


@pytest.fixture
def feed(shop: Shop) -> Collection:
    return feed_of(shop, SIZE)


def feed_of(shop: Shop, size: int) -> Collection:
    made = shop.collection(Kind.FEED)
    append(shop, shop.log(made), [stix.campaign() for _ in range(size)], now=timezone.now())
    return made


def leaves(collection: Collection) -> list[bytes]:
    found = Entry.objects.filter(collection=collection).order_by("index")
    return [merkle.leaf_hash(bytes(one)) for one in found.values_list("commitment", flat=True)]


def sign(collection: Collection, size: int, *, cosigned: bool = False) -> list[NoteKey]:
    """A checkpoint of this size, as the signer would store it; the keys that verify it."""
    origin = publication.origin(collection.id)
    signers = [
        NoteSigner(origin, SignatureType.ED25519, keys.generate()),
        NoteSigner(origin, SignatureType.ML_DSA_44, keys.generate_ml_dsa_44()),
    ]
    made = checkpoints.Checkpoint(origin, size, merkle.root_of(leaves(collection)[:size]))
    note = notes.Note(made.text, tuple(one.sign_checkpoint(made, timestamp=1) for one in signers))
    witness = NoteSigner("witness.example/one", SignatureType.COSIGNATURE_V1, keys.generate())
    Checkpoint.objects.create(
        collection=collection,
        size=size,
        root=made.root,
        note=bytes(note).decode(),
        cosignatures=notes.line(witness.sign_checkpoint(made, timestamp=2)) if cosigned else "",
        signed_at=NOW,
    )
    return [one.key for one in signers]


def url(collection: Collection, rest: str) -> str:
    return f"/trust/log/{collection.id}/{rest}"


def get(client: Client, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.content
    return answer


def refusal(answer: Any, status: int) -> str:
    """The sentence of an error resource."""
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/taxii+json;version=2.1"
    return str(answer.json().get("description", ""))


def test_every_tile_is_served_as_wide_as_it_is_at_every_size(
    shop: Shop, feed: Collection, reader: Client
) -> None:
    level_0 = leaves(feed)
    level_1 = [merkle.root_of(level_0[at : at + 256]) for at in (0, 256)]

    served = {
        rest: get(reader, url(feed, rest)).content
        for rest in (
            *("tile/0/000", "tile/0/001", "tile/0/002.p/188", "tile/0/002.p/1", "tile/0/001.p/255"),
            *("tile/1/000.p/2", "tile/1/000.p/1"),
        )
    }

    assert served == {
        "tile/0/000": b"".join(level_0[:256]),
        "tile/0/001": b"".join(level_0[256:512]),
        "tile/0/002.p/188": b"".join(level_0[512:]),
        "tile/0/002.p/1": level_0[512],
        "tile/0/001.p/255": b"".join(level_0[256:511]),
        "tile/1/000.p/2": b"".join(level_1),
        "tile/1/000.p/1": level_1[0],
    }


def test_bundles_of_entries_hash_to_the_tiles(shop: Shop, feed: Collection, reader: Client) -> None:
    for path, first, last in (("entries/001", 256, 512), ("entries/002.p/188", 512, 700)):
        answer = get(reader, url(feed, f"tile/{path}"))

        entries = tiles.read_entry_bundle(answer.content)
        assert [merkle.leaf_hash(one) for one in entries] == leaves(feed)[first:last]
        assert answer.headers["Content-Type"] == "application/octet-stream"


def test_nothing_beyond_the_tree_is_served(feed: Collection, reader: Client) -> None:
    for rest in (
        *("0/002", "0/002.p/189", "0/003", "0/003.p/1", "1/000", "1/000.p/3", "1/001.p/1", "2/000.p/1"),
        *("63/000.p/1", "entries/002", "entries/003.p/1", f"0/{'x999/' * 6}999"),
    ):
        assert "The log has 700 entries" in refusal(reader.get(url(feed, f"tile/{rest}")), 404)


def test_a_tile_has_one_spelling(feed: Collection, reader: Client) -> None:
    for rest in (
        *("0/0", "00/000", "64/000", "0/000.p/0", "0/000.p/256", "0/x000/001", "x/000", "0/000/", "-1/000"),
        *("0/000.p/1/2", "ENTRIES/000", "0"),
    ):
        refusal(reader.get(url(feed, f"tile/{rest}")), 404)


def test_a_long_log_has_tiles_of_three_levels_and_proofs_of_them(shop: Shop, reader: Client) -> None:
    feed = shop.collection(Kind.FEED)
    connection.ensure_connection()
    logs.fill(connection.connection, feed.id, 256 * 256 + 300)
    sign(feed, 256 * 256 + 300)
    tree = leaves(feed)

    served = get(reader, url(feed, "tile/1/000")).content
    top = get(reader, url(feed, "tile/2/000.p/1")).content
    proof = proofs.read(get(reader, url(feed, "proof/65790")).content)

    assert top == merkle.root_of([served[at : at + 32] for at in range(0, 8192, 32)])
    merkle.verify_inclusion(
        leaf=tree[65_790], index=65_790, size=len(tree), proof=proof.hashes, root=merkle.root_of(tree)
    )


def test_the_checkpoint_is_the_latest_with_its_witnesses_lines(
    shop: Shop, feed: Collection, reader: Client
) -> None:
    sign(feed, 500)
    log_keys = sign(feed, CHECKED, cosigned=True)

    answer = get(reader, url(feed, "checkpoint"))

    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "no-cache" in answer.headers["Cache-Control"]
    verified = verify_checkpoint(
        answer.content, origin=publication.origin(feed.id), log_keys=log_keys
    ).checkpoint
    assert (verified.size, verified.root) == (CHECKED, merkle.root_of(leaves(feed)[:CHECKED]))
    assert [one.name for one in notes.read(answer.content).signatures] == [
        *[publication.origin(feed.id)] * 2,
        "witness.example/one",
    ]


def test_a_log_without_a_checkpoint_says_so(feed: Collection, reader: Client) -> None:
    assert "no checkpoint yet" in refusal(reader.get(url(feed, "checkpoint")), 404)
    assert "no checkpoint yet" in refusal(reader.get(url(feed, "proof/0")), 404)


def test_a_proof_leads_from_the_entry_to_the_checkpoint(feed: Collection, reader: Client) -> None:
    sign(feed, CHECKED)
    checkpoint, tree = get(reader, url(feed, "checkpoint")).content, leaves(feed)
    root = merkle.root_of(tree[:CHECKED])

    for index in (0, 255, 256, 511, 512, 599):
        answer = get(reader, url(feed, f"proof/{index}"))

        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        proof = proofs.read(answer.content)
        assert (proof.index, proof.checkpoint) == (index, checkpoint)
        merkle.verify_inclusion(leaf=tree[index], index=index, size=CHECKED, proof=proof.hashes, root=root)


def test_a_proof_that_there_is_not_is_not_found(feed: Collection, reader: Client) -> None:
    sign(feed, CHECKED)

    for index, sentence in (
        ("600", "No checkpoint covers entry 600 yet"),
        ("700", "The log has 700 entries and none at 700 yet"),
        *((one, "whole number") for one in ("99999999999999999999", "007", "-1", "one", "٣")),
    ):
        assert sentence in refusal(reader.get(url(feed, f"proof/{index}")), 404)


def test_openings_say_what_the_entries_commit_to(shop: Shop, reader: Client) -> None:
    feed = feed_of(shop, 20)
    erased = Entry.objects.get(collection=feed, index=15)
    publication.withdraw(
        log=shop.log(feed), reasons={str(erased.object_id): Reason.LEGAL}, now=timezone.now()
    )

    answer = get(reader, url(feed, "openings?start=10&end=21"))

    value = answer.json()
    assert {name: value[name] for name in ("v", "origin", "start", "end")} == {
        "v": 1,
        "origin": publication.origin(feed.id),
        "start": 10,
        "end": 21,
    }
    assert [set(one) for one in value["entries"]] == (
        [{"jws", "salt", "stmt"}] * 5
        + [{"commit", "withdrawn_by"}]
        + [{"jws", "salt", "stmt"}] * 4
        + [{"salt", "stmt"}]
    )
    page = reader.get(f"/taxii2/shop/collections/{feed.id}/objects/?proof=1").json()
    assert value["entries"] == page["x_stillwatch_log"]["entries"][10:]
    assert "immutable" not in answer.headers["Cache-Control"]


def test_a_wrong_range_of_openings_is_refused_by_name(shop: Shop, reader: Client) -> None:
    feed = feed_of(shop, 20)

    for query, sentence in {
        "": "start: is missing",
        "start=0": "end: is missing",
        "start=0&end=x": "end: is not the index",
        "start=-1&end=3": "start: is not the index",
        "start=1&start=2&end=3": "start: may be given once",
        "start=3&end=2": "end: comes before start",
        "start=0&end=21": "end: is beyond the log, which has 20 entries",
        "start=0&end=1025": "end: is more than 1024 after start",
        "start=0&end=9999999999999999999999": "end: is not the index",
        "start=%00&end=1": "control character",
        "start=%zz&end=1": "percent-escape",
    }.items():
        assert sentence in refusal(reader.get(url(feed, f"openings?{query}")), 400)


def test_a_range_of_no_entries_is_answered(shop: Shop, reader: Client) -> None:
    feed = feed_of(shop, 1)

    assert get(reader, url(feed, "openings?start=1&end=1")).json()["entries"] == []


def test_what_never_changes_may_be_kept_and_is_not_sent_twice(
    shop: Shop, feed: Collection, reader: Client
) -> None:
    for rest in ("tile/0/000", "tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/000"):
        answer = get(reader, url(feed, rest))
        assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert answer.headers["Vary"] == "Authorization"

        again = reader.get(url(feed, rest), headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_what_changes_is_asked_for_again_and_sent_if_it_did(
    shop: Shop, feed: Collection, reader: Client
) -> None:
    sign(feed, 500)
    entry = Entry.objects.get(collection=feed, index=7)
    for rest in ("checkpoint", "proof/7", "openings?start=7&end=8"):
        answer = get(reader, url(feed, rest))
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert (
            reader.get(url(feed, rest), headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
        )
        before = answer.headers["ETag"]
        if rest == "checkpoint":
            sign(feed, 600)
        if rest.startswith("openings"):
            publication.withdraw(
                log=shop.log(feed), reasons={str(entry.object_id): Reason.ERROR}, now=timezone.now()
            )
        changed = reader.get(url(feed, rest), headers={"If-None-Match": before})
        assert changed.status_code == (304 if rest == "proof/7" else 200)


def paths(collection: Collection) -> list[str]:
    one = Entry.objects.get(collection=collection, index=1)
    return [
        *(
            url(collection, rest)
            for rest in ("checkpoint", "tile/0/000.p/3", "tile/entries/000.p/2", "proof/1")
        ),
        url(collection, "openings?start=0&end=3"),
        f"/trust/objects/{one.object_id}/{one.version}",
        f"/trust/objects/{one.object_id}/{one.version}?collection={collection.id}",
    ]


def test_who_reads_the_collection_reads_its_log_and_nobody_else_knows_of_it(shop: Shop) -> None:
    feed = feed_of(shop, 3)
    sign(feed, 3)
    no_reader = Organization.objects.create(
        slug="lab-c", name="Lab C", sector="ai-lab", reliability="B", created_at=NOW
    )
    Membership.objects.create(community=shop.community, organization=no_reader, joined_at=NOW)
    CollectionGrant.objects.create(collection=feed, organization=no_reader, can_read=False, can_write=True)
    granted_only = shop.outsider
    CollectionGrant.objects.create(collection=feed, organization=granted_only, can_read=True)
    readers = [
        client_of(shop.lab_a, Scope.FEED_READ, Scope.SUBMIT),
        client_of(shop.lab_b, Scope.FEED_READ),
    ]
    others = [
        client_of(granted_only, Scope.FEED_READ, Scope.SUBMIT),
        client_of(no_reader, Scope.FEED_READ, Scope.SUBMIT),
        client_of(shop.lab_a, Scope.SUBMIT),
    ]
    for path in paths(feed):
        first, second = (get(one, path) for one in readers)
        assert first.content == second.content
        unknown = path.replace(str(feed.id), "00000000-0000-4000-8000-000000000000").replace("1", "2")
        for other in others:
            forbidden, absent = other.get(path), other.get(unknown)
            assert refusal(forbidden, 404) == refusal(absent, 404) == "There is nothing here for you."
        assert client_of(None).get(path).status_code == 401
        assert "WWW-Authenticate" in client_of(None).get(path).headers


def test_logs_are_only_read(shop: Shop, reader: Client) -> None:
    feed = feed_of(shop, 3)

    for path, method in itertools.product(paths(feed), ("post", "put", "patch", "delete", "options")):
        answer = getattr(reader, method)(path)
        assert "is not defined here" in refusal(answer, 405)
        assert answer.headers["Allow"] == "GET, HEAD"


def test_head_tells_what_get_would_without_it(shop: Shop, reader: Client) -> None:
    feed = feed_of(shop, 3)
    sign(feed, 3)

    for path in paths(feed):
        asked, told = get(reader, path), reader.head(path)
        assert (told.status_code, told.content) == (200, b"")
        assert [told.headers[one] for one in ("ETag", "Content-Type", "Content-Length")] == [
            asked.headers[one] for one in ("ETag", "Content-Type", "Content-Length")
        ]


def test_other_addresses_are_nothing_and_tell_nothing_to_who_is_unknown(reader: Client) -> None:
    for rest in ("log/", "log/x", "log/x/y", "objects/", "objects/a/b/c"):
        refusal(reader.get(f"/trust/{rest}"), 404)
        assert Client().get(f"/trust/{rest}").status_code == 401


def test_a_collection_is_named_by_its_alias_too(shop: Shop, reader: Client) -> None:
    feed = feed_of(shop, 3)

    by_alias = get(reader, f"/trust/log/{feed.alias}/tile/0/000.p/3")
    by_capitals = get(reader, f"/trust/log/{str(feed.id).upper()}/tile/0/000.p/3")

    assert by_alias.content == by_capitals.content == b"".join(leaves(feed))


def test_an_alias_that_two_collections_have_is_asked_about_only_if_both_may_be_read(
    shop: Shop, reader: Client
) -> None:
    feed = feed_of(shop, 3)
    other = Community.objects.create(
        slug="other", title="Other", auto_release=AutoRelease.ALL, created_at=NOW
    )
    twin = Collection.objects.create(
        community=other, alias=feed.alias, title="Twin", kind=Kind.FEED, ceiling=2
    )
    get(reader, f"/trust/log/{feed.alias}/tile/0/000.p/3")
    Membership.objects.create(community=other, organization=shop.lab_a, joined_at=NOW)
    CollectionGrant.objects.create(collection=twin, organization=shop.lab_a, can_read=True)

    answer = reader.get(f"/trust/log/{feed.alias}/tile/0/000.p/3")

    assert "name one by its id" in refusal(answer, 400)


def bundle(client: Client, object_id: str, version: str, query: str = "") -> Any:
    return get(client, f"/trust/objects/{object_id}/{version}{query}")


def test_a_bundle_proves_one_object_offline(shop: Shop, reader: Client) -> None:
    feed = feed_of(shop, 9)
    log_keys = sign(feed, 9)
    entry = Entry.objects.get(collection=feed, index=4)

    answer = bundle(reader, str(entry.object_id), str(entry.version))

    assert answer.headers["Content-Type"] == "application/json"
    assert bytes(entry.body or b"") in answer.content
    value = answer.json()
    assert set(value) == {"v", "object", "opening", "proof"}
    assert isinstance(shop.signer, keys.Ed25519Signer)
    key_set = keys.KeySet.from_jwks(keys.jwks([keys.PublishedKey(shop.signer.public_jwk(), 0, 2**40)]))
    verify.verify_object(bytes(entry.body or b""), value["opening"]["jws"], key_set)
    statement = statements.read_statement(value["opening"]["stmt"].encode())
    proof = proofs.read(value["proof"].encode())
    checkpoint = verify_checkpoint(
        proof.checkpoint, origin=publication.origin(feed.id), log_keys=log_keys
    ).checkpoint
    merkle.verify_inclusion(
        leaf=leaf_of(value["opening"]), index=proof.index, size=9, proof=proof.hashes, root=checkpoint.root
    )
    assert (statement.object_id, proof.index) == (entry.object_id, 4)  # type: ignore[union-attr]


def leaf_of(opening: dict[str, str]) -> bytes:
    entry = statements.entry(base64url.decode(opening["salt"]), opening["stmt"].encode())
    return merkle.leaf_hash(entry)


def test_a_bundle_is_of_the_most_restricted_collection_unless_one_is_named(
    shop: Shop, reader: Client
) -> None:
    one = stix.campaign()
    held = [
        shop.collection(kind, ceiling) for kind, ceiling in ((Kind.FEED, 1), (Kind.FEED, 3), (Kind.INBOX, 4))
    ]
    for collection in held:
        append(shop, shop.log(collection), [one], now=timezone.now())
        sign(collection, 1)

    def origin(query: str) -> str:
        text = bundle(reader, one["id"], one["modified"], query).json()["proof"]
        return checkpoints.read(notes.read(proofs.read(text.encode()).checkpoint).text).origin

    assert origin("") == publication.origin(held[1].id)
    assert [origin(f"?collection={collection.id}") for collection in held] == [
        publication.origin(collection.id) for collection in held
    ]
    assert origin(f"?collection={held[0].alias}") == publication.origin(held[0].id)
    refusal(reader.get(f"/trust/objects/{one['id']}/{one['modified']}?collection=nowhere"), 404)


def test_bundles_are_of_standing_versions_only(shop: Shop, reader: Client) -> None:
    feed = shop.collection(Kind.FEED)
    campaign, domain = stix.campaign(), stix.domain_name()
    append(shop, shop.log(feed), [campaign, domain], now=timezone.now())
    there = f"/trust/objects/{campaign['id']}/{campaign['modified']}"
    assert "no checkpoint yet" in refusal(reader.get(there), 404)
    sign(feed, 1)
    get(reader, there)
    assert "No checkpoint covers entry 1 yet" in refusal(reader.get(f"/trust/objects/{domain['id']}/-"), 404)
    sign(feed, 2)
    added = str(Entry.objects.get(collection=feed, index=1).version)
    assert bundle(reader, domain["id"], "-").content == bundle(reader, domain["id"], added).content
    refusal(reader.get(f"/trust/objects/{campaign['id']}/-"), 404)
    refusal(reader.get(f"/trust/objects/{campaign['id']}/2001-01-01T00:00:00Z"), 404)
    assert "version" in refusal(reader.get(f"/trust/objects/{campaign['id']}/latest"), 400)

    publication.withdraw(log=shop.log(feed), reasons={campaign["id"]: Reason.ERROR}, now=timezone.now())

    refusal(reader.get(there), 404)


def test_new_signatures_are_on_the_next_page_though_the_log_is_as_long_as_before(
    shop: Shop, reader: Client
) -> None:
    feed = feed_of(shop, 2)
    page = f"/taxii2/shop/collections/{feed.id}/objects/?proof=1"
    entries = reader.get(page).json()["x_stillwatch_log"]["entries"]
    other = b'{"jws":"another","salt":"s","stmt":"t"}'

    Entry.objects.filter(collection=feed, index=0).update(opening=other)
    remembered = reader.get(page).json()["x_stillwatch_log"]["entries"]
    Collection.objects.filter(id=feed.id).update(epoch=1)
    fresh = reader.get(page).json()["x_stillwatch_log"]["entries"]

    assert remembered == entries
    assert fresh == [json.loads(other), entries[1]]


def test_a_root_is_that_of_the_entries_up_to_it(feed: Collection) -> None:
    tree = leaves(feed)
    for size in (0, 1, 2, 255, 256, 257, 511, 512, 513, 600, 700):
        assert log.root(feed.id, size) == merkle.root_of(tree[:size])
    with pytest.raises(log.BeyondTree):
        log.root(feed.id, 701)


def test_consistency_is_proved_between_any_two_sizes(shop: Shop, feed: Collection) -> None:
    tree = leaves(feed)
    sizes: Sequence[int] = (0, 1, 2, 255, 256, 257, 511, 512, 600, 699, 700)
    roots = {size: merkle.root_of(tree[:size]) for size in sizes}
    for first in sizes:
        for second in (size for size in sizes if size >= first):
            merkle.verify_consistency(
                first=first,
                second=second,
                first_root=roots[first],
                second_root=roots[second],
                proof=log.consistency(feed.id, first, second),
            )
    with pytest.raises(log.BeyondTree):
        log.consistency(feed.id, 700, 701)
    with pytest.raises(log.BeyondTree):
        log.openings(feed.id, 699, 701)
