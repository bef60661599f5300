"""The sidebar: every page of the desk, in the order of a day's work."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from accounts.admin.base import may_analyse
from accounts.admin.own import may_administer_own, may_own, may_send, own
from accounts.admin.site import May


@dataclass(frozen=True, slots=True)
class Item:
    """One line: its title, a Material Symbols icon, the name of its URL and who sees it."""

    title: str
    icon: str
    url: str
    may: May = may_analyse


@dataclass(frozen=True, slots=True)
class Section:
    """Some lines under a heading."""

    title: str
    items: tuple[Item, ...]


def _sees_portal(may: May = may_own) -> May:
    """For those whose desk is the portal: members of an organisation who do not analyse."""
    return lambda request: not may_analyse(request) and may_own(request) and may(request)


SECTIONS = (
    Section(
        "Desk",
        (
            Item("Home", "home", "admin:index"),
            Item("Search", "search", "admin:search"),
            Item("Campaigns", "hub", "admin:campaigns"),
            Item("Reviews", "rule", "admin:sharing_review_changelist"),
            Item("Second person", "group", "admin:proposals"),
            Item("Write", "edit_note", "admin:write"),
            Item("Likenesses", "compare", "admin:indicators_likeness_changelist"),
            Item("Indicators", "database", "admin:indicators_subject_changelist"),
            Item("Merge journal", "merge", "admin:indicators_merge_changelist"),
        ),
    ),
    Section(
        "Coming in",
        (
            Item("Submissions", "inbox", "admin:indicators_submission_changelist"),
            Item("Files and text", "upload_file", "admin:indicators_upload_changelist"),
            Item("Sources", "cloud_download", "admin:indicators_source_changelist"),
            Item("Detectors", "radar", "admin:indicators_detector_changelist"),
            Item("Findings", "troubleshoot", "admin:indicators_finding_changelist"),
            Item("Silent sources", "notifications_off", "admin:sharing_silence_changelist"),
        ),
    ),
    Section(
        "Going out",
        (
            Item("Feeds and readers", "monitoring", "admin:feeds"),
            Item("Collections", "rss_feed", "admin:sharing_collection_changelist"),
            Item("Techniques", "category", "admin:indicators_technique_changelist"),
            Item("Allow-lists", "verified_user", "admin:indicators_allowlist_changelist"),
            Item("Allow-list entries", "playlist_add_check", "admin:indicators_allowlistentry_changelist"),
            Item("Webhooks", "webhook", "admin:sharing_webhook_changelist"),
            Item("Deliveries", "outgoing_mail", "admin:sharing_delivery_changelist"),
            Item("Witnesses", "verified", "admin:witnesses"),
            Item("Withdrawals", "delete_history", "admin:withdrawals"),
            Item("Legal orders", "gavel", "admin:erasures"),
            Item("Signing keys", "key", "admin:sharing_signingkey_changelist"),
        ),
    ),
    Section(
        "Who",
        (
            Item("Organisations", "corporate_fare", "admin:accounts_organization_changelist"),
            Item("Communities", "groups", "admin:accounts_community_changelist"),
            Item("Who sees what", "preview", "admin:access"),
            Item("Members", "person", "admin:accounts_member_changelist"),
            Item("Roles", "badge", "admin:roles"),
            Item("Tokens", "vpn_key", "admin:accounts_token_changelist"),
            Item("Notices", "campaign", "admin:accounts_notice_changelist"),
            Item("Audit trail", "history", "admin:accounts_auditevent_changelist"),
            Item(
                "Own portal", "door_open", "admin:portal", lambda asked: may_analyse(asked) and may_own(asked)
            ),
        ),
    ),
    Section(
        "Your organisation",
        (
            Item("Home", "home", "admin:index", _sees_portal()),
            Item("Submissions", "inbox", "admin:portal_submissions", _sees_portal()),
            Item("Send a file", "upload_file", "admin:portal_send", _sees_portal(may_send)),
            Item("Paste text", "content_paste", "admin:portal_paste", _sees_portal(may_send)),
            Item("Feeds", "rss_feed", "admin:portal_feeds", _sees_portal()),
            Item("Sources and detectors", "radar", "admin:portal_sources", _sees_portal()),
            Item("Webhooks", "webhook", "admin:portal_webhooks", _sees_portal()),
            Item(
                "Notices", "campaign", "admin:portal_notices", _sees_portal(lambda asked: own(asked).is_told)
            ),
            Item("Tokens", "vpn_key", "admin:own_tokens", _sees_portal()),
            Item("Our signing keys", "signature", "admin:own_keys", _sees_portal()),
            Item("Members", "person", "admin:own_members", _sees_portal(may_administer_own)),
        ),
    ),
)


def sections(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar for who asks, as the theme takes it; a section without lines is left out."""
    found = []
    for section in SECTIONS:
        items = [_shown(item, request) for item in section.items if item.may(request)]
        if items:
            found.append({"title": section.title, "items": items})
    return found


def _shown(item: Item, request: HttpRequest) -> dict[str, Any]:
    link = reverse(item.url)
    active = request.path == link if link == reverse("admin:index") else request.path.startswith(link)
    return {
        "title": item.title,
        "icon": item.icon,
        "link": link,
        "active": active,
        "has_permission": True,
    }
