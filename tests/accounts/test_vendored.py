"""What is vendored for the browser is what its package published."""

import re
from hashlib import sha256
from pathlib import Path

STATIC = Path(__file__).parents[2] / "accounts" / "static"
ROW = re.compile(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", re.MULTILINE)


def test_each_vendored_file_has_the_digest_that_its_table_states() -> None:
    rows = ROW.findall((STATIC / "desk" / "vendor" / "README.md").read_text())

    assert len(rows) == 2
    for name, digest in rows:
        assert sha256((STATIC / name).read_bytes()).hexdigest() == digest, name
