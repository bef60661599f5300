"""The portal: what an organisation's own members see of what is their organisation's, and of nobody else's.

Every page begins with `accounts.admin.own.own`, and every query asks for that organisation.
"""

from sharing.admin.portal import feeds, home, notices, receipts, sending, webhooks

__all__ = ["feeds", "home", "notices", "receipts", "sending", "webhooks"]
