"""The usual middleware for people's pages, none for the rest."""

import pytest
from django.conf import settings
from django.test import Client, RequestFactory

pytestmark = pytest.mark.django_db


def test_the_desk_has_sessions_csrf_tokens_and_security_headers() -> None:
    response = Client().get("/admin/login/")
    assert settings.CSRF_COOKIE_NAME in response.cookies
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert "default-src 'self'" in response["Content-Security-Policy"]


def test_the_desk_refuses_a_post_without_a_csrf_token() -> None:
    response = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "a", "password": "b"})
    assert response.status_code == 403


def test_other_paths_get_no_cookie_and_need_no_csrf_token() -> None:
    response = Client(enforce_csrf_checks=True).post("/health/live")
    assert response.status_code == 200
    assert not response.cookies
    assert "X-Frame-Options" not in response


def test_every_whole_response_says_how_long_it_is() -> None:
    response = Client().get("/health/live")
    assert response["Content-Length"] == str(len(response.content))


def test_paths_that_only_look_like_the_desk_are_not_the_desk() -> None:
    request = RequestFactory().get("/admin")
    assert not request.path_info.startswith(tuple(settings.DESK_PATHS))


def test_the_desk_lets_run_no_script_that_stands_in_a_page() -> None:
    policy = Client().get("/admin/login/")["Content-Security-Policy"]

    assert "unsafe" not in next(part for part in policy.split("; ") if part.startswith("script-src "))


def test_a_report_of_a_browser_is_answered_whatever_it_holds() -> None:
    bodies = [
        b"",
        b"{",
        b"[]",
        b'{"csp-report": 1}',
        b'{"csp-report": {"blocked-uri": "http://["}}',
        b"x" * 99_999,
    ]
    answers = [
        Client(enforce_csrf_checks=True).post(
            "/admin/csp-report/", body, content_type="application/csp-report"
        )
        for body in bodies
    ]
    assert {answer.status_code for answer in answers} == {204}
