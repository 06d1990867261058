"""Try it in a browser: a folder of new pictures is given, judged by its folders' names, looked at and forgotten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect

from core.runs.store import Run


def digits(root: Path) -> Path:
    """Makes a folder of pictures: of two digits, of something else, and a file that is no picture."""
    for number, folder in enumerate(("0", "1", "1", "whales")):
        (root / folder).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (28, 28), dtype=np.uint8)
        Image.fromarray(pixels).save(root / folder / f"{number}.png")
    (root / "1" / "broken.png").write_bytes(b"no picture")
    return root


def test_a_folder_is_tried_and_forgotten(
    calm: Page,
    visit: Callable[..., Page],
    settled: Callable[[Page], Page],
    fact: Callable[..., object],
    trained: Run,
    tmp_path: Path,
) -> None:
    page = visit(calm, "try_it", run=trained.id, **{"try-give": "folder", "try-limit": "0"})
    page.locator('[data-testid="stFileUploader"] input').set_input_files(digits(tmp_path / "new"))
    pictures = page.locator(".bl-gallery button")
    expect(pictures).to_have_count(4)
    settled(page)
    expect(fact(page, "Answered")).to_have_text("100 %")
    expect(page.get_by_text("of 3; 95")).to_be_visible()
    expect(page.get_by_text("whales (1)")).to_be_visible()
    expect(page.get_by_text("1 file is left out")).to_be_visible()
    pictures.first.click()
    expect(page.get_by_text("What the network sees")).to_be_visible()
    settled(page)
    page.get_by_role("main").get_by_text("Heatmaps", exact=True).first.click()
    expect(page.get_by_role("button", name="Test these heatmaps")).to_be_visible()
    settled(page)
    page.reload()
    expect(pictures).to_have_count(4)
    settled(page)
    page.get_by_role("button", name="Forget these").click()
    expect(page.get_by_text("It tells apart: ")).to_be_visible()
    expect(pictures).to_have_count(0)
