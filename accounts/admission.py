"""Files that come with a form of the desk: who may send them, and how large they may be."""

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler

#: Fields and boundaries beside the file.
_AROUND = 1024 * 1024


class Admitted(FileUploadHandler):
    """Lets others store a file, if its sender is signed in or `admitted` says so, and it is not over the limit.

    Django reads a form before its view is asked, to find the CSRF token: who may send is looked at here, before a byte
    of a file is kept.
    """

    admitted = False

    def handle_raw_input(
        self,
        input_data: Any,
        META: Any,  # noqa: N803 - Django calls it so
        content_length: int,
        boundary: bytes,
        encoding: str | None = None,
    ) -> None:
        """Refuse before anything is read."""
        user = getattr(self.request, "user", None)
        if not self.admitted and not getattr(user, "is_authenticated", False):
            raise SuspiciousOperation("Sign in before you send a file.")
        if content_length > settings.MAX_UPLOAD_BYTES + _AROUND:
            raise RequestDataTooBig(f"A file may have {settings.MAX_UPLOAD_BYTES} bytes at most.")
        settings.UPLOADS_DIR.mkdir(parents=True, exist_ok=True)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Leave it to the next one."""
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Leave it to the next one."""
