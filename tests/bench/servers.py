"""Servers that give stored answers again: Debian's nginx, and granian with an application that does nothing else."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import requests

from config.embedded import end_with_parent
from tests.bench.bench import Answer, Bench
from tests.stack import free_port
from tests.world import PROJECT

# nginx and granian write these themselves.
_THEIR_OWN = {"connection", "content-length", "content-type", "date", "server", "transfer-encoding"}

_NGINX = """
daemon off;
{user}
worker_processes 2;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 75s;
    keepalive_requests 1000000000;
    # The service sends none of these headers.
    etag off;
    max_ranges 0;
    add_header last-modified "";
    types {{ }}
    server {{
        listen 127.0.0.1:{port};
        root {folder};
        default_type "{media_type}";
{locations}
    }}
}}
"""


def missing() -> list[str]:
    """Which programs of Debian's are not installed."""
    return [name for name in ("nginx", "wrk") if shutil.which(name) is None]


@contextlib.contextmanager
def nginx(bench: Bench, answers: dict[str, Answer]) -> Iterator[str]:
    """nginx giving `answers` by name, from files, on a free port; its URL."""
    folder = bench.folder / "nginx"
    folder.mkdir()
    locations = []
    for name, answer in answers.items():
        (folder / name).write_bytes(answer.body)
        headers = "".join(
            f' add_header {header} "{value}";'
            for header, value in {"last-modified": "", **_own(answer)}.items()
        )
        locations.append(f"        location = /{name} {{{headers} }}")
    port = free_port()
    first = next(iter(answers.values()))
    (folder / "nginx.conf").write_text(
        _NGINX.format(
            user="user root;" if os.geteuid() == 0 else "",
            folder=folder,
            port=port,
            media_type=first.headers["content-type"],
            locations="\n".join(locations),
        )
    )
    command = ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    with _running(command, {}, folder / "out.log", port) as url:
        _check(url, answers)
        yield url
    shutil.rmtree(folder)


@contextlib.contextmanager
def granian(bench: Bench, answers: dict[str, Answer]) -> Iterator[str]:
    """granian giving `answers` by name, with the arguments of the service's own web server; its URL."""
    folder = bench.folder / "granian"
    folder.mkdir()
    for name, answer in answers.items():
        (folder / name).write_bytes(answer.body)
    index = {
        name: [("Content-Type", answer.headers["content-type"]), *_own(answer).items()]
        for name, answer in answers.items()
    }
    (folder / "index.json").write_text(json.dumps(index))
    port = free_port()
    command = psutil.Process(bench.world.pids()["web"]).cmdline()
    command[command.index("config.wsgi:application")] = "tests.bench.bare:application"
    command[command.index("--port") + 1] = str(port)
    with _running(command, {"BENCH_ANSWERS": str(folder)}, folder / "out.log", port) as url:
        _check(url, answers)
        yield url
    shutil.rmtree(folder)


def _own(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in _THEIR_OWN}


@contextlib.contextmanager
def _running(command: list[str], variables: dict[str, str], log: Path, port: int) -> Iterator[str]:
    """A server that is stopped at the end, also when this process is killed."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env=os.environ | variables,
            stdout=output,
            stderr=output,
            preexec_fn=end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - one prctl call, no lock
        )
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _check(url: str, answers: dict[str, Answer]) -> None:
    """The same bytes and headers, or the comparison means nothing."""
    for name, answer in answers.items():
        theirs = Answer.of(requests.get(f"{url}/{name}", timeout=30))
        assert theirs.body == answer.body, (url, name)
        assert _own(theirs) == _own(answer), (url, name, theirs.headers, answer.headers)
        assert theirs.headers["content-type"] == answer.headers["content-type"]
