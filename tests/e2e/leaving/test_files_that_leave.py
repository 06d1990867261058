"""What leaves the lab, opened from a disk in a browser: the report, and the web page that runs a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from core.evaluation.predictions import predict_images
from core.models.network import Network, assemble
from core.runs.store import Run
from core.specs import ModelSpec
from core.workflows.export.model import formats
from core.workflows.report.report import write_report

pytest.importorskip("onnxscript")
CLASSES = ("cats", "<b>dogs</b>", "سبز")


@pytest.fixture
def alone(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page of a browser without a network, and what went wrong or was asked for from elsewhere."""
    context: BrowserContext = browser.new_context(offline=True, permissions=["camera"])
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda request: faults.append(request.url) if not request.url.startswith(("file:", "blob:", "data:")) else None,
    )
    yield page, faults
    context.close()


def test_a_report_opens_from_a_disk_in_both_themes(alone: tuple[Page, list[str]], trained: Run, tmp_path: Path) -> None:
    page, faults = alone
    path = tmp_path / "report.html"
    write_report(trained, path, tested=False)
    page.goto(path.as_uri())
    expect(page.get_by_role("heading", level=1)).to_have_text(trained.name)
    assert page.locator("svg").count() == 3
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
    grounds = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert len(set(grounds)) == 2
    page.emulate_media(media="print")
    assert page.pdf().startswith(b"%PDF")
    assert faults == []


@pytest.fixture(scope="module")
def network() -> Network:
    made = assemble(ModelSpec("shufflenet_v2_x0_5", "none", image_size=64), CLASSES, seed=0)
    made.model.eval()
    return made


def picture(path: Path, size: tuple[int, int]) -> Path:
    waves = np.linspace(0, 9, size[0] * size[1] * 3).reshape(size[1], size[0], 3)
    noise = np.random.default_rng(7).normal(0, 40, waves.shape)
    Image.fromarray((127 + 90 * np.sin(waves) + noise).clip(0, 255).astype(np.uint8)).save(path)
    return path


@pytest.mark.parametrize("size", [(301, 200), (50, 90)])
def test_the_web_page_answers_as_the_network_does(
    alone: tuple[Page, list[str]], network: Network, tmp_path: Path, size: tuple[int, int]
) -> None:
    page, faults = alone
    path, file = tmp_path / "page.html", picture(tmp_path / "waves.png", size)
    form = formats.FORMATS["web"]
    form.write(formats.Deployed(network.model, network.preprocessing).eval(), network, path)
    page.goto(path.as_uri())
    expect(page.locator("#say")).to_have_text("Ready.", timeout=60_000)
    broken = tmp_path / "x.png"
    broken.write_bytes(b"no picture")
    page.locator("#files").set_input_files([file, broken])
    expect(page.locator("#cards figure")).to_have_count(2)
    lines = page.locator("#cards figure li")
    expect(lines).to_have_count(3)
    said = {int(row["place"]): float(row["probability"]) for row in _rows(lines)}
    own = predict_images(network, [Image.open(file)])[0]
    assert np.abs(own - [said[place] for place in range(3)]).max() < 1e-3
    expect(page.get_by_text("no picture that this browser reads")).to_be_visible()
    assert page.locator("#cards b").count() == 3, "class names are text"
    assert faults == []


def _rows(lines: Any) -> list[dict[str, str]]:
    found: list[dict[str, str]] = lines.evaluate_all("rows => rows.map((row) => ({...row.dataset}))")
    return found
