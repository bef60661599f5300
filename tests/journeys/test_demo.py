"""The demo of `make run`: what is printed is enough to sign in."""

import json
import re
import stat
import subprocess
import time
from pathlib import Path

import pytest
import requests

from tests.desk import csrf_token
from tests.stack import Stack


@pytest.mark.slow
def test_the_demo_analyst_signs_in_with_what_is_printed(tmp_path: Path) -> None:
    with Stack(tmp_path / "home", demo=True) as stack:
        deadline = time.monotonic() + 60
        while "Ctrl-C stops everything" not in stack.told() and time.monotonic() < deadline:
            time.sleep(0.1)
        printed = re.search(r"Admin desk +(\w+) / (\S+)\n", stack.told())
        assert printed is not None, stack.told()
        assert f"manage.py demo_code {printed[1]}" in stack.told()
        file = stack.home / "demo-second-factors.json"
        session = requests.Session()

        page = session.get(f"{stack.url}/admin/login/", timeout=60)
        fields = {"login": printed[1], "password": printed[2], "csrfmiddlewaretoken": csrf_token(page.text)}
        page = session.post(page.url, data=fields, headers={"Referer": page.url}, timeout=60)
        code = stack.manage("demo_code", printed[1]).strip()
        fields = {"code": code, "csrfmiddlewaretoken": csrf_token(page.text)}
        page = session.post(page.url, data=fields, headers={"Referer": page.url}, timeout=60)

        assert page.url == f"{stack.url}/admin/"
        assert session.get(f"{stack.url}/admin/sharing/review/", timeout=60).status_code == 200
        assert set(json.loads(file.read_text())) == {"analyst", "reviewer", "admin", "lab-a-admin"}
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with pytest.raises(subprocess.CalledProcessError):
            stack.manage("demo_code", "nobody")
