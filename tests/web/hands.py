"""Two ways to work a page: with the mouse, and with the keyboard alone. A test of a whole day is written once and done by both."""

from __future__ import annotations

from typing import Protocol

from playwright.sync_api import Locator, Page, expect

from tests.web.shots import shot

MOST_TABS = 300


class Hand(Protocol):
    page: Page

    def press(self, target: Locator) -> None:
        """A link, a button, or what opens a part of the page."""
        ...

    def fill(self, target: Locator, text: str) -> None: ...
    def find(self, finding: str) -> None:
        """Choose a finding on the case page."""
        ...

    def hold(self, target: Locator, picture: Locator, milliseconds: int) -> None:
        """Hold a picture's button down for so long, and let go."""
        ...


class Mouse:
    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, target: Locator) -> None:
        target.click()

    def fill(self, target: Locator, text: str) -> None:
        target.click()
        target.fill(text)

    def find(self, finding: str) -> None:
        self.page.locator(f"label:has([name=finding][value={finding}])").click()

    def hold(self, target: Locator, picture: Locator, milliseconds: int) -> None:
        target.hover()
        self.page.mouse.down()
        expect(picture).to_be_visible()
        shot(self.page, "reveal")
        self.page.wait_for_timeout(milliseconds)
        self.page.mouse.up()


class Keys:
    """Never points at anything: goes from stop to stop until it is there, so what no key reaches fails."""

    FINDINGS = ("confirmed", "not_confirmed", "needs_more")

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, target: Locator) -> None:
        self._to(target)
        self.page.keyboard.press("Enter")

    def fill(self, target: Locator, text: str) -> None:
        self._to(target)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)

    def find(self, finding: str) -> None:
        self.page.keyboard.press("d")
        self.page.keyboard.press(str(self.FINDINGS.index(finding) + 1))

    def hold(self, target: Locator, picture: Locator, milliseconds: int) -> None:
        expect(target).to_be_focused()
        self.page.keyboard.down("r")
        expect(picture).to_be_visible()
        self.page.wait_for_timeout(milliseconds)
        self.page.keyboard.up("r")

    def _to(self, target: Locator) -> None:
        expect(target).to_be_visible()
        wanted = target.element_handle()
        for _ in range(MOST_TABS):
            if self.page.evaluate("(node) => node === document.activeElement", wanted):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"no key reaches {target}")
