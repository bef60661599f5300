"""Reads a collection with other people's clients as they come, and prints what they saw; runs in `.venv-stock` alone.

    .venv-stock/bin/python tests/stock/reader.py CLIENT PROOF URL USER   < password

CLIENT is taxii2-client, stix2 or pycti; PROOF 0 or 1. One JSON text: `{"proofs": how many pages had one, "pages": …,
"objects": […]}`. Nothing of this project is imported here.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

Page = dict[str, Any]
Object = dict[str, Any]
PER_PAGE = 7


def pages_of(url: str, user: str, password: str, *, proof: bool) -> list[Page]:
    """Every page as taxii2-client gives it."""
    from taxii2client.v21 import Collection, as_pages

    with Collection(url, user=user, password=password) as collection:
        if proof:
            # taxii2-client passes on the parameters of TAXII alone; what else is asked for is requests' to send.
            collection._conn.session.params = {"proof": "1"}
        return list(as_pages(collection.get_objects, per_request=PER_PAGE))


def by_taxii2_client(page: Page) -> list[Object]:
    """What the client itself hands to whoever uses it."""
    found: list[Object] = page.get("objects", [])
    return found


def by_stix2(page: Page) -> list[Object]:
    """Each object parsed and written again; so is the whole page as a bundle, with what else stands in it."""
    import stix2

    stix2.parse(
        {"type": "bundle", "id": f"bundle--{page_id(page)}", **without_taxii(page)}, allow_custom=True
    )
    return [json.loads(stix2.parse(one, allow_custom=True).serialize()) for one in page.get("objects", [])]


def by_stix2_of_taxii(url: str, user: str, password: str, *, proof: bool) -> list[Object]:
    """stix2's own store over a TAXII collection, as its documentation has it."""
    import stix2
    from taxii2client.v21 import Collection

    with Collection(url, user=user, password=password) as collection:
        if proof:
            collection._conn.session.params = {"proof": "1"}
        source = stix2.TAXIICollectionSource(collection, allow_custom=True, items_per_page=PER_PAGE)
        return [json.loads(one.serialize()) for one in source.query([stix2.Filter("type", "=", "campaign")])]


def by_pycti(page: Page) -> list[Object]:
    """What OpenCTI's import makes of the page as a bundle: taken apart, sorted by what needs what."""
    from pycti import OpenCTIStix2Splitter

    bundle = {"type": "bundle", "id": f"bundle--{page_id(page)}", **without_taxii(page)}
    count, incompatible, parts = OpenCTIStix2Splitter().split_bundle_with_expectations(json.dumps(bundle))
    objects = [one for part in parts for one in json.loads(part)["objects"]]
    if count != len(objects):
        raise SystemExit(f"pycti expects {count} objects of {len(objects)}")
    for one in (*objects, *incompatible):
        # Its own note of how many others each needs.
        one.pop("nb_deps")
    return [*objects, *incompatible]


def without_taxii(page: Page) -> Page:
    """A page's members but those of TAXII, so that it is a bundle; the proof is among them."""
    return {name: value for name, value in page.items() if name not in {"more", "next"}}


def page_id(page: Page) -> str:
    """A UUID for the bundle that is made of a page."""
    return f"00000000-0000-4000-8000-{len(page.get('objects', [])):012d}"


READERS: dict[str, Callable[[Page], list[Object]]] = {
    "taxii2-client": by_taxii2_client,
    "stix2": by_stix2,
    "pycti": by_pycti,
}


def main() -> None:
    """Arguments in, JSON out."""
    client, proof, url, user = sys.argv[1:]
    password = sys.stdin.read().strip()
    if client == "stix2-store":
        found = by_stix2_of_taxii(url, user, password, proof=proof == "1")
        print(json.dumps({"objects": found}))
        return
    pages = pages_of(url, user, password, proof=proof == "1")
    print(
        json.dumps(
            {
                "proofs": sum("x_stillwatch_log" in page for page in pages),
                "pages": len(pages),
                "objects": [one for page in pages for one in READERS[client](page)],
            }
        )
    )


if __name__ == "__main__":
    main()
