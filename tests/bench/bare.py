"""A WSGI application that gives stored answers again: what the web server costs without Django and PostgreSQL."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_FOLDER = Path(os.environ["BENCH_ANSWERS"])
_BODIES = {
    f"/{name}": (_FOLDER / name).read_bytes() for name in json.loads((_FOLDER / "index.json").read_text())
}
_HEADERS = {
    f"/{name}": [*((key, value) for key, value in headers), ("Content-Length", str(len(_BODIES[f"/{name}"])))]
    for name, headers in json.loads((_FOLDER / "index.json").read_text()).items()
}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    start_response("200 OK", _HEADERS[path])
    return [_BODIES[path]]
