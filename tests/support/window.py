"""The browser's window that tests share."""

from __future__ import annotations

from playwright.sync_api import Page, ViewportSize

SIZE: ViewportSize = {"width": 1440, "height": 900}
WAIT_MS = 60_000
"""How long is waited for what must come, also where others use the machine."""


class Window:
    """A browser's window that one test after another uses: most of what an opening costs is reading the app's script.

    Attributes:
        page: The page in it, which a test finds as in a new window: empty, of the usual size, nothing stored.
        errors: The uncaught errors that it has reported since.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self._origins: set[str] = set()
        page.context.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("framenavigated", lambda frame: self._origins.add("/".join(frame.url.split("/", 3)[:3])))

    def empty(self) -> None:
        """Takes out what the last test left."""
        context = self.page.context
        for other in context.pages:
            if other is not self.page:
                other.close()
        self.page.goto("about:blank")
        context.clear_permissions()
        protocol = context.new_cdp_session(self.page)
        for origin in filter(lambda origin: origin.startswith("http"), self._origins):
            protocol.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "cookies,local_storage"})
        protocol.send("Page.resetNavigationHistory")
        protocol.detach()
        self.page.emulate_media(color_scheme="light", reduced_motion="reduce", media="screen")
        self.page.set_viewport_size(SIZE)
        self._origins.clear()
        self.errors.clear()
