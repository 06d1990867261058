"""How quick the Heatmaps page stays for one person while another's slow method asks the same network.

    python -m benchmarks.others [score-cam|kernel-shap]

Two browsers look into one EfficientNet-Lite0. The one clicks through class activation maps: ``map_ms`` is the median
from the click to a map that nobody has drawn yet, ``rerun_ms`` to one that is remembered. Then the other begins
Score-CAM with all channels, or KernelSHAP with 5,000 samples, and the first goes on. Needs Chromium and Playwright
(requirements-dev.txt).
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.timing import options, report
from benchmarks.window import browser_page, server

SETTINGS = {"score-cam": ("Channels", "0"), "kernel-shap": ("Samples", "5000")}
MAPS = ("Grad-CAM", "Grad-CAM++", "HiResCAM", "XGrad-CAM", "LayerCAM", "Eigen-CAM", "Eigen-Grad-CAM")
SETTLED = '[data-testid="stApp"][data-test-script-state="notRunning"]'
CLICK = """name => new Promise(done => {
  const pill = [...document.querySelectorAll('button')].find(button => button.textContent.trim() === name);
  const begin = performance.now();
  pill.click();
  const look = () => [...document.querySelectorAll('.bl-picture b')].some(b => b.textContent.startsWith(name + ' · '))
    ? done(performance.now() - begin) : requestAnimationFrame(look);
  look();
})"""
"""Clicks a method and resolves to the milliseconds until the frame that shows its map."""


def open_page(page: Page, url: str, method: str) -> None:
    """Opens the page on the pretrained backbone and waits until it is drawn."""
    page.goto(f"{url}/heatmaps?backbone=efficientnet_lite0&weights=default&method={method}")
    page.get_by_text("What it says").wait_for()
    page.locator(SETTLED).wait_for(state="attached")


def clicked(page: Page, samples: tuple[str, ...]) -> dict[str, float]:
    """Clicks through the maps of some sample pictures twice; returns medians in milliseconds."""
    new, known = [], []
    for sample in samples:
        page.get_by_role("button", name=sample, exact=True).or_(page.get_by_role("radio", name=sample)).first.click()
        page.wait_for_timeout(1000)
        page.locator(SETTLED).wait_for(state="attached")
        for found in (new, known):
            for name in (*MAPS[1:], MAPS[0]):  # the picture came with the first of them
                found.append(float(page.evaluate(CLICK, name)))
                page.locator(SETTLED).wait_for(state="attached")
                page.wait_for_timeout(100)
        new.pop()
    return {"map_ms": statistics.median(new), "rerun_ms": statistics.median(known)}


def begin(page: Page, url: str, method: str) -> None:
    """Begins the slow method with a setting that makes it long, and waits until it is at work."""
    open_page(page, url, method)
    page.get_by_text("More", exact=True).first.click()
    label, value = SETTINGS[method]
    field = page.get_by_role("spinbutton", name=label)
    field.fill(value)
    field.press("Enter")
    page.get_by_role("button", name="Draw it").click()
    page.get_by_role("button", name="Cancel").wait_for()


def main() -> None:
    """Runs the measurement and prints its line."""
    method = options(__doc__, tuple(SETTINGS)).what
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (url, _), browser_page() as page:
        open_page(page, url, "grad-cam")
        alone = clicked(page, ("Coffee", "Rocket"))
        other = page.context.browser.new_page()  # type: ignore[union-attr]
        begin(other, url, method)
        beside = clicked(page, ("Astronaut", "Photographer"))
        still = other.get_by_role("button", name="Cancel").is_visible()
    report(
        "others",
        method=method,
        still_at_work=still,
        **{f"{name}_alone": round(value) for name, value in alone.items()},
        **{f"{name}_beside": round(value) for name, value in beside.items()},
        map_ratio=round(beside["map_ms"] / alone["map_ms"], 2),
        rerun_ratio=round(beside["rerun_ms"] / alone["rerun_ms"], 2),
    )


if __name__ == "__main__":
    main()
