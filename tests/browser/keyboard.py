"""The desk without a mouse: what a person reaches by Tab and chooses by keys."""

from playwright.sync_api import Locator, Page

MOST_TABS = 400


def tab_to(page: Page, wanted: Locator, *, key: str = "Tab") -> None:
    """Press Tab until the wanted thing has the focus; fails where it cannot be reached."""
    wanted.first.wait_for()
    for _ in range(MOST_TABS):
        if has_focus(wanted):
            return
        page.keyboard.press(key)
    raise AssertionError(f"not reached by {key}: {wanted}")


def has_focus(wanted: Locator) -> bool:
    """Whether it is what keys go to now."""
    found: bool = wanted.first.evaluate("one => one === document.activeElement")
    return found


def type_into(page: Page, field: Locator, text: str) -> None:
    """Go to a field and put a text in place of what stands there."""
    tab_to(page, field)
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def choose(page: Page, field: Locator, label: str) -> None:
    """Go to a choice and type the beginning of what is wanted."""
    tab_to(page, field)
    page.keyboard.type(label)
    chosen = field.first.evaluate("one => one.selectedOptions[0].label")
    assert chosen == label, f"{chosen} in place of {label}"


def press(page: Page, button: Locator) -> None:
    """Go to a button or link and press Enter."""
    tab_to(page, button)
    page.keyboard.press("Enter")


def tick(page: Page, group: Locator, wanted: Locator) -> None:
    """Go to a group of radio buttons and move by arrows to the wanted one."""
    for _ in range(MOST_TABS):
        if group.evaluate("one => one.contains(document.activeElement)"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    for _ in range(group.get_by_role("radio").count()):
        if wanted.is_checked():
            return
        page.keyboard.press("ArrowDown")
    raise AssertionError(f"not reached by arrows: {wanted}")
