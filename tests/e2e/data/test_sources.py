"""Images from the browser itself: pictures dropped into classes, and a camera."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import BrowserType, Page, expect

FAKE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


def picture(seed: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def test_pictures_dropped_into_named_classes_become_a_source(
    calm: Page, own_server: Any, visit: Callable[..., Page], settled: Callable[[Page], Page]
) -> None:
    visit(calm, "data", at=own_server, **{"from": "classes"})
    for place, name in enumerate(("cats", "سگ")):
        calm.get_by_label(f"Class {place + 1}", exact=True).fill(name)
        calm.keyboard.press("Enter")
        calm.wait_for_timeout(300)  # the name is on its way
        settled(calm)
        names = [f"{n}.jpg" for n in range(6)]
        files = [
            {"name": name, "mimeType": "image/jpeg", "buffer": picture(100 * place + n)} for n, name in enumerate(names)
        ]
        files.append({"name": "broken.png", "mimeType": "image/png", "buffer": b"no picture"})
        calm.locator(f".st-key-bl-class-{place} input[type=file]").set_input_files(files)
        expect(calm.get_by_text("7 files", exact=True)).to_have_count(place + 1)
    calm.get_by_role("button", name="Make a data source").click()
    expect(calm.locator('dt:text-is("Images") + dd')).to_have_text("12")
    expect(calm.get_by_text("2 files are no part of these data").first).to_be_visible()
    assert sorted(path.name for path in (own_server.data / "uploads" / "cats-سگ").iterdir() if path.is_dir()) == [
        "cats",
        "سگ",
    ]


@pytest.fixture
def camera_page(browser_type: BrowserType, browser_type_launch_args: dict[str, Any]) -> Iterator[Callable[..., Page]]:
    """Opens a page in a browser of its own with further flags."""
    opened = []

    def launch(*flags: str) -> Page:
        arguments = {**browser_type_launch_args, "args": [*browser_type_launch_args["args"], *flags]}
        opened.append(browser_type.launch(**arguments))
        return opened[-1].new_page(viewport={"width": 1440, "height": 900})

    yield launch
    for browser in opened:
        browser.close()


def test_a_burst_from_the_camera_becomes_a_source(
    camera_page: Callable[..., Page], own_server: Any, visit: Callable[..., Page], settled: Callable[[Page], Page]
) -> None:
    page = visit(camera_page(*FAKE), "data", at=own_server, **{"from": "webcam"})
    page.get_by_label("Name", exact=True).fill("hands")
    page.get_by_label("Class 1", exact=True).fill("one hand")
    page.keyboard.press("Enter")
    settled(page)
    send = page.get_by_role("button", name="Make a data source")
    expect(send).to_be_disabled()
    page.get_by_role("button", name="Start the camera").click()
    holds = page.get_by_role("button", name="Hold to record")
    expect(holds.first).to_be_enabled()
    counts = page.locator(".bl-webcam .class span")
    for place in range(2):
        holds.nth(place).hover()
        page.mouse.down()
        page.wait_for_timeout(2500)
        page.mouse.up()
    taken = [int(text.rpartition(" ")[2]) for text in counts.all_inner_texts()]
    assert all(15 <= count <= 30 for count in taken), "ten frames a second"
    page.get_by_role("button", name="Delete the last").first.click()
    expect(counts.first).to_have_text(f"Pictures: {taken[0] - 1}")
    send.click()
    expect(page.locator('dt:text-is("Images") + dd')).to_have_text(str(sum(taken) - 1))
    folder = own_server.data / "uploads" / "hands"
    assert sorted(path.name for path in folder.iterdir()) == ["Class 2", "one hand"]
    with Image.open(next((folder / "one hand").iterdir())) as frame:
        assert frame.format == "JPEG"
        assert min(frame.size) == 256


def test_a_denied_camera_is_a_sentence(
    camera_page: Callable[..., Page], own_server: Any, visit: Callable[..., Page]
) -> None:
    page = visit(camera_page(FAKE[0], "--deny-permission-prompts"), "data", at=own_server, **{"from": "webcam"})
    page.get_by_role("button", name="Start the camera").click()
    expect(page.get_by_text("The camera was denied.")).to_be_visible()
    expect(page.get_by_role("button", name="Hold to record").first).to_be_disabled()
    page = visit(camera_page(), "data", at=own_server, **{"from": "webcam"})
    page.evaluate("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})")
    page.get_by_role("button", name="Start the camera").click()
    expect(page.get_by_text("gives no camera to a page without https")).to_be_visible()
