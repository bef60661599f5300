"""Files that come with a form of the desk: who may send them, and how large they may be."""

import tempfile
from contextlib import suppress
from typing import Any, NoReturn

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.http.multipartparser import MultiPartParserError

AROUND_BYTES = 1024 * 1024
"""How much of a form may stand around its file."""


class Admitted(FileUploadHandler):
    """Lets the handlers after it store a file if its sender is signed in and it is not over the limit.

    Django reads a form before its view is asked, to find the CSRF token: so who may send is looked at here, before a
    byte of a file is kept. Of a form over the limit no file is kept, and `request.file_is_too_large` is set.
    """

    def handle_raw_input(
        self,
        input_data: Any,
        META: Any,  # noqa: N803 - Django calls it so
        content_length: int,
        boundary: Any,
        encoding: str | None = None,
    ) -> None:
        """Refuse a stranger's form before anything is read."""
        assert self.request is not None
        if not self.request.user.is_authenticated:
            # Any other error would be raised again by the page that tells of it.
            raise MultiPartParserError("Sign in before you send a file.")
        self.request.file_is_too_large = content_length > settings.MAX_UPLOAD_BYTES + AROUND_BYTES  # type: ignore[attr-defined]

    def new_file(self, *given: Any, **named: Any) -> None:
        """Read over what is too large."""
        super().new_file(*given, **named)
        if self.request.file_is_too_large:  # type: ignore[union-attr]
            raise StopUpload(connection_reset=False)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Leave it to the next one."""
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Leave it to the next one."""


class Stored(FileUploadHandler):
    """Puts a file on disk under no name, so that nothing is left of it however its request ends.

    Where there is no room, nothing is kept, and `request.no_room` is set.
    """

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self.stored: Any = None

    def new_file(self, *given: Any, **named: Any) -> None:
        """Begin with it."""
        super().new_file(*given, **named)
        try:
            settings.UPLOADS_DIR.mkdir(parents=True, exist_ok=True)
            self.stored = tempfile.TemporaryFile(dir=settings.UPLOADS_DIR)  # noqa: SIM115 - closed with the request
        except OSError as error:
            self._stop(error)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write it."""
        try:
            self.stored.write(raw_data)
        except OSError as error:
            self._stop(error)

    def file_complete(self, file_size: int) -> "UploadedFile[Any]":
        """From its start."""
        try:
            self.stored.seek(0)
        except OSError as error:
            self._stop(error)
        return UploadedFile(
            self.stored, self.file_name, self.content_type, file_size, self.charset, self.content_type_extra
        )

    def upload_interrupted(self) -> None:
        """Let it go."""
        with suppress(OSError):
            if self.stored is not None:
                self.stored.close()

    def _stop(self, error: OSError) -> NoReturn:
        self.upload_interrupted()
        self.request.no_room = True  # type: ignore[union-attr]
        # The rest is read, so that the client hears the answer.
        raise StopUpload(connection_reset=False) from error
