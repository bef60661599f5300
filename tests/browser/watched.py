"""A browser's page that notes whatever a page of the desk must never do."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urldefrag, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Dialog,
    Error,
    Page,
    Request,
    Response,
)
from requests.cookies import RequestsCookieJar

SERIOUS = {"serious", "critical"}
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[a-z0-9-]+--[0-9a-f-]{36}|\b\d+\b|_[0-9A-F]{2}")
# A page that is not there, or not for this person, is what several stories ask for.
_EXPECTED = re.compile(r"the server responded with a status of (403|404|409|422|429)")


@dataclass
class Watched:
    """One person's window. `faults` holds what must not be: errors, violations, strange hosts, dialogs, 5xx."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self._note(f"script error: {error}"))
        self.page.on("dialog", self._dialog)
        self.page.on("response", self._response)
        self.page.context.on("request", self._request)
        self.page.add_init_script(
            "document.addEventListener('securitypolicyviolation', e =>"
            " console.error(`CSP violation: ${e.effectiveDirective} ${e.blockedURI}`))"
        )

    def open(self, path: str) -> int:
        """Go to a path; the status of its answer, and 0 where it is a download."""
        try:
            answer = self.page.goto(path if path.startswith("http") else self.url + path)
        except Error as error:
            if "Download is starting" in error.message or "ERR_ABORTED" in error.message:
                return 0
            raise
        return answer.status if answer is not None else 0

    def axe(self) -> list[str]:
        """What axe-core finds serious or critical on the page as it stands, one line a rule."""
        # Of what it finds in order only the first of each rule is told: a page has some hundred such nodes.
        found = Axe().run(self.page, options={"resultTypes": ["violations"]})
        return [
            f"{self.page.url}: {one['id']} ({one['impact']}): "
            + "; ".join(f"{node['target']} {node['html'][:160]}" for node in one["nodes"][:3])
            for one in found.response["violations"]
            if one["impact"] in SERIOUS
        ]

    def links(self) -> list[str]:
        """Where the page's links lead at the desk, without what signs out or is a download."""
        found = self.page.eval_on_selector_all(
            "a[href]", "all => all.filter(a => !a.hasAttribute('download')).map(a => a.href)"
        )
        own = (urldefrag(link).url for link in found if link.startswith(self.url + "/admin/"))
        return [link for link in own if "logout" not in link]

    def _note(self, fault: str) -> None:
        self.faults.append(f"{self.page.url}: {fault}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not _EXPECTED.search(message.text):
            self._note(f"console {message.type}: {message.text}")

    def _dialog(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":
            dialog.accept()
            return
        self._note(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _response(self, response: Response) -> None:
        if response.status >= 500:
            self._note(f"{response.status} of {response.request.method} {response.url}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.url + "/", "data:", "blob:" + self.url)):
            self._note(f"request to {request.url}")


@contextmanager
def window(browser: Browser, url: str, cookies: RequestsCookieJar) -> Iterator[Watched]:
    """A window of its own, with the cookies of somebody's session; a story that leaves faults behind fails."""
    context = browser.new_context(
        viewport={"width": 1400, "height": 900}, accept_downloads=True, reduced_motion="reduce"
    )
    context.set_default_timeout(30_000)
    context.add_cookies([{"name": one.name, "value": one.value or "", "url": url} for one in cookies])
    watched = Watched(context.new_page(), url)
    try:
        yield watched
        assert watched.faults == []
    finally:
        context.close()


def kind_of(link: str) -> str:
    """A link with its ids and values left out: pages of one kind have one form."""
    parts = urlsplit(link)
    names = sorted({pair.split("=")[0] for pair in parts.query.split("&") if pair})
    return _ID.sub("*", parts.path) + ("?" + "&".join(names) if names else "")


def crawl(
    watched: Watched, start: Iterable[str], *, of_a_kind: int = 2, most: int = 150
) -> Iterator[tuple[str, int]]:
    """Open whatever can be reached by links, a few pages of each kind; each with its status, as it stands open."""
    waiting = [watched.url + path for path in start]
    seen: set[str] = set(waiting)
    kinds: Counter[str] = Counter()
    while waiting and sum(kinds.values()) < most:
        link = waiting.pop(0)
        if kinds[kind_of(link)] >= of_a_kind:
            continue
        kinds[kind_of(link)] += 1
        status = watched.open(link)
        if status == 0:
            continue
        yield link, status
        for found in watched.links():
            if found not in seen:
                seen.add(found)
                waiting.append(found)
