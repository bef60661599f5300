"""Communities of their own for stories that fill feeds, or that need readers of different clearance."""

import pytest

from tests.world import World

_FEEDS = """
      - {alias: strict, title: Strict feed, kind: feed, ceiling: amber+strict}
      - {alias: amber, title: Amber feed, kind: feed, ceiling: amber}
      - {alias: green, title: Green feed, kind: feed, ceiling: green}
      - {alias: green-core, title: Green core feed, kind: feed, ceiling: green, profile: core}"""
_OPEN = "".join(
    f"""
  - slug: {slug}
    title: The community {slug}
    members: [lab-a, lab-b, cloud-c]
    review: {{auto_release: all}}
    collections:{_FEEDS}
"""
    for slug in ("shuffled", "bulk", "stream", "fuzzed")
)
# Each organisation reads up to another ceiling.
_TIERS = """
  - slug: tiers
    title: The community tiers
    members: [lab-a, lab-b, cloud-c]
    review: {auto_release: all}
    collections:
      - {alias: strict, title: Strict feed, kind: feed, ceiling: amber+strict, read: [lab-a]}
      - {alias: amber, title: Amber feed, kind: feed, ceiling: amber, read: [lab-a, lab-b]}
      - {alias: green, title: Green feed, kind: feed, ceiling: green}
      - {alias: green-core, title: Green core feed, kind: feed, ceiling: green, profile: core}
"""


@pytest.fixture(scope="session")
def communities(world: World) -> None:
    """`shuffled`, `bulk`, `stream` and `fuzzed` release everything; so does `tiers`, where clearances differ."""
    file = world.home / "journeys.yaml"
    file.write_text(f"communities:{_OPEN}{_TIERS}")
    world.manage("apply_community", str(file))
