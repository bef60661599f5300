"""Where a trust root's files come from: the service or a mirror over HTTP, a folder, or what is stored already."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import httpx
from tuf.api.exceptions import DownloadError, DownloadHTTPError
from tuf.ngclient import FetcherInterface

from sharing.verifier.answers import ACCEPTED, pieces
from sharing.verifier.source import Unavailable

_CHUNK = 64 * 1024
_NOT_FOUND = 404
_SECONDS = 120
"""Of one file: none is large."""


class HttpFetcher(FetcherInterface):
    """Over HTTP. What cannot be reached, and a server's own failure, is a DownloadError; 404 and its like are not."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            with self._client.stream("GET", url, headers={"Accept-Encoding": ACCEPTED}) as answer:
                if answer.status_code >= 500:
                    raise DownloadError(f"{url} answers {answer.status_code}")
                if answer.status_code != 200:
                    raise DownloadHTTPError(f"{url} answers {answer.status_code}", answer.status_code)
                yield from pieces(answer, within=_SECONDS)
        except Unavailable as error:
            raise DownloadError(str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DownloadError(f"{url} cannot be reached: {error}") from error


class FolderFetcher(FetcherInterface):
    """From a folder that is laid out as the service."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = Path(unquote(url))
        try:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except FileNotFoundError as error:
            raise DownloadHTTPError(f"there is no file {path}", _NOT_FOUND) from error
        except OSError as error:
            raise DownloadError(f"cannot read {path}: {error.strerror}") from error


class StoredFetcher(FetcherInterface):
    """What is stored already, for who reaches nobody: no newer root, and of each other role the one that is there."""

    def __init__(self, stored: Path) -> None:
        self._stored = stored

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = url.rsplit("/", 1)[-1]
        role = name.removesuffix(".json").rpartition(".")[2]
        path = self._stored / f"{role}.json"
        if role == "root" or not path.exists():
            raise DownloadHTTPError(f"{name} is not stored", _NOT_FOUND)
        yield path.read_bytes()
