"""The offline bundle names a submitter to whom that was disclosed; for others it is as if nobody had told."""

import json

from accounts.models import Scope
from sharing.models import Entry, Kind
from sharing.tlog import submitters
from sharing.verifier.disclosure import verify_submitter
from tests.sharing.actions.conftest import Shop
from tests.sharing.actions.signing_partner import envelope, post, registered, signature
from tests.sharing.actions.test_submitter_signatures import campaign, disclose, key_set
from tests.sharing.views.test_log import bundle, client_of, sign


def test_a_bundle_opens_its_submitter_to_whom_it_was_disclosed_alone(shop: Shop) -> None:
    feed = shop.collection(Kind.FEED)
    signer, one, other = registered(shop.lab_a), campaign(), campaign()
    post(shop, envelope([one, other], [signature(signer, one), None]))
    sign(feed, Entry.objects.filter(collection=feed).count())
    told, untold = (client_of(each, Scope.FEED_READ) for each in (shop.lab_b, shop.lab_a))
    before = bundle(told, one["id"], one["modified"]).content
    assert b'"sub":{' not in before

    disclose(shop, one)

    opened = bundle(told, one["id"], one["modified"])
    assert submitters.read_record(opened.json()["opening"]["sub"]["record"].encode()).organization == str(
        shop.lab_a.id
    )
    assert verify_submitter(opened.content, key_set(signer)).kid == signer.kid
    without = opened.json()
    del without["opening"]["sub"]
    assert without == json.loads(before)
    assert bundle(untold, one["id"], one["modified"]).content == before
    assert b'"sub":{' not in bundle(told, other["id"], other["modified"]).content
