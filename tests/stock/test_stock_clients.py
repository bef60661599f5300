"""Other people's clients, unmodified, read pages with and without the proof: the same objects, unharmed.

`make stock` makes `.venv-stock`, which holds these clients and nothing of ours: pycti wants another setuptools than a
package of the service does.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import stix2

from tests.conformance import stix
from tests.conformance.stix import Object
from tests.world import PROJECT, World

pytestmark = pytest.mark.stock

PYTHON = Path(os.environ.get("STOCK_VENV", PROJECT / ".venv-stock")) / "bin" / "python"
CLIENTS = ("taxii2-client", "stix2", "pycti")
COMMUNITY = "allies"


@pytest.fixture(scope="module")
def sent(world: World) -> list[Object]:
    """Objects of many types that refer to each other, in the feed: more than three pages of them."""
    campaign = stix.campaign(name="Résumé – a campaign of distillation")
    indicators = [stix.indicator(confidence=85) for _ in range(12)]
    links = [
        {
            **stix.sighting(),
            "type": "relationship",
            "id": one["id"].replace("indicator--", "relationship--"),
            "relationship_type": "indicates",
            "source_ref": one["id"],
            "target_ref": campaign["id"],
        }
        for one in indicators[:6]
    ]
    campaigns = [stix.campaign(name=f"Campaign {number}") for number in range(8)]
    objects = [campaign, *indicators, *links, *campaigns]
    world.submit("lab-a", objects, community=COMMUNITY)
    return objects


@pytest.fixture(scope="module")
def honest(world: World, sent: list[Object]) -> list[Object]:
    """The feed as it is, in its order."""
    return world.objects("lab-b", "amber", community=COMMUNITY)


def read(world: World, client: str, *, proof: bool) -> dict[str, Any]:
    """What a client in the environment of its own saw of the feed."""
    assert PYTHON.exists(), f"{PYTHON} is missing: run `make stock`, which makes it"
    token = world.token("lab-b", "ro")
    url = f"{world.root(COMMUNITY)}collections/{world.collection('amber', COMMUNITY, 'lab-b')}/"
    ran = subprocess.run(
        [
            PYTHON,
            "-I",
            "-W",
            "ignore",
            PROJECT / "tests/stock/reader.py",
            client,
            str(int(proof)),
            url,
            token.id,
        ],
        input=token.secret,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def in_order(objects: list[Object]) -> list[Object]:
    return sorted(objects, key=lambda one: (one["id"], one.get("modified", "")))


def parsed(one: Object) -> Any:
    """An object as stix2 understands it, whatever its spelling."""
    return json.loads(stix2.parse(one, allow_custom=True).serialize())


@pytest.mark.parametrize("client", CLIENTS)
def test_a_stock_client_reads_pages_with_the_proof_as_without(
    world: World, honest: list[Object], client: str
) -> None:
    without, with_proof = (read(world, client, proof=proof) for proof in (False, True))

    # The proof was there, on every page, or this would show nothing.
    assert (without["proofs"], with_proof["proofs"]) == (0, with_proof["pages"])
    assert with_proof["pages"] > 3
    assert in_order(with_proof["objects"]) == in_order(without["objects"])
    expected = [parsed(one) for one in honest] if client == "stix2" else honest
    assert in_order(with_proof["objects"]) == in_order(expected)


def test_taxii2_client_keeps_the_order(world: World, honest: list[Object]) -> None:
    assert read(world, "taxii2-client", proof=True)["objects"] == honest


def test_stix2s_store_over_taxii_finds_the_same(world: World, honest: list[Object]) -> None:
    found = [read(world, "stix2-store", proof=proof)["objects"] for proof in (False, True)]

    campaigns = [parsed(one) for one in honest if one["type"] == "campaign"]
    assert len(campaigns) >= 9
    assert [in_order(one) for one in found] == [in_order(campaigns)] * 2


def test_the_clients_are_not_ours() -> None:
    """Nothing of the service is in their environment."""
    ran = subprocess.run(
        [
            PYTHON,
            "-I",
            "-c",
            "import pycti, taxii2client, stix2; import importlib.util as u; print(u.find_spec('django'))",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert ran.stdout.strip() == "None"
