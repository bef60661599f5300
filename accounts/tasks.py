"""What the alarm clock asks of WHO."""

from celery import shared_task

from accounts.actions import chain


@shared_task(name="accounts.tasks.link_audit")
def link_audit() -> None:
    """Link what audit events have no place in the chain yet."""
    while chain.link():
        pass


@shared_task(name="accounts.tasks.tell_audit_head")
def tell_audit_head() -> None:
    """Log the head of the chain."""
    chain.tell_head()
