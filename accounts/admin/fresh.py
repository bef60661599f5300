"""Fresh proof of identity: asked for before what an unwatched screen must not be enough for."""

from django.http import HttpRequest, HttpResponse


def ask_again(request: HttpRequest) -> HttpResponse | None:
    """A redirect to where the member proves who they are, and back; None if they did so within the last minutes."""
    return None
