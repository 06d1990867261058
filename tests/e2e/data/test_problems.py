"""What is wrong with images is repaired where it is shown: by cards, ticks and keys, and no file changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from core.data.sources import open_dataset
from core.runs.jobs import JobStore
from core.runs.recorder import Recorder
from core.specs import DataSpec
from core.workflows.data_check.check import check
from core.workflows.data_check.report import Doubt
from core.workflows.jobs.data_check import check_request


@pytest.fixture
def leaky(server: Any, draw_images: Callable[[Path], Path]) -> Path:
    """Images in splits, two of training also in the test; the check with three doubtful labels has been made."""
    root = server.data / "leaky"
    draw_images(root / "train")
    draw_images(root / "val")
    draw_images(root / "test")
    for place, path in enumerate(sorted(root.glob("[vt]*/*/*.png"))):
        part = path.parts[-3]
        if part != "train" and (place % 16 > 5 or part == "test"):
            path.unlink()
        elif part == "val":
            path.write_bytes(path.read_bytes() + bytes([place % 256]))  # another file, and still a picture
    for number in (1, 2):
        copy = root / "test" / "blue" / f"<b>copy{number}.png"
        copy.write_bytes((root / "train" / "blue" / f"0{number}.png").read_bytes())
    return root


def given(root: Path, runs: Path) -> None:
    """Puts a finished check beside the runs, so that no network need look."""
    stamp = max(folder.stat().st_mtime_ns for folder in (root, *root.glob("*"), *root.glob("*/*")) if folder.is_dir())
    found = check(open_dataset(str(root)), features=False)
    doubts = tuple(Doubt(f"train/blue/0{number}.png", "blue", "red fox", 0.9) for number in (5, 6, 7))
    job = JobStore("checks", runs).create(check_request(DataSpec(str(root)), str(stamp)).as_record())
    job.write_result(replace(found, links=(), suspects=doubts, looks={}, featured=True).to_dict())
    Recorder(job).update(state="finished")


def test_a_leak_is_repaired_and_labels_are_decided_by_keys(
    leaky: Path,
    server: Any,
    calm: Page,
    visit: Callable[..., Page],
    settled: Callable[[Page], Page],
    fact: Callable[[Page, str], Locator],
) -> None:
    given(leaky, server.runs)
    visit(calm, "data", data=str(leaky))
    expect(calm.get_by_text("2 pictures stand in two splits")).to_be_visible()
    training = int(fact(calm, "Training").inner_text())
    calm.get_by_role("radio", name="Problems", exact=True).click()
    card = calm.locator(".st-key-bl-finding-leaks")
    expect(card.get_by_text("1 · blue · Training")).to_be_visible()
    expect(card.get_by_text("test/blue/<b>copy1.png")).to_be_visible()
    boxes = card.get_by_role("checkbox")
    boxes.evaluate_all("boxes => boxes.forEach((box) => box.click())")  # faster than the page is drawn
    expect(card.get_by_text(f"{boxes.count()} pictures are ticked.")).to_be_visible()
    expect(card.get_by_role("checkbox", checked=True)).to_have_count(boxes.count())
    boxes.evaluate_all("boxes => boxes.slice(1).forEach((box) => box.click())")
    expect(card.get_by_text("1 picture is ticked.")).to_be_visible()
    expect(card.get_by_role("checkbox", checked=True)).to_have_count(1)
    card.get_by_role("button", name="Move to training").click()
    expect(calm.get_by_text("In two splits (1)")).to_be_visible()
    card.get_by_role("button", name="Move to training").click()
    expect(card).to_have_count(0)
    expect(calm.get_by_text("stand in two splits")).to_have_count(0)
    calm.get_by_role("radio", name="Overview", exact=True).click()
    expect(fact(calm, "Training")).to_have_text(str(training + 2))
    calm.reload()
    expect(fact(calm, "Training")).to_have_text(str(training + 2))

    calm.get_by_role("radio", name="Problems", exact=True).click()
    calm.get_by_text("Doubtful labels (3)").click()
    expect(calm.get_by_role("button", name="One by one")).to_be_visible()
    settled(calm).get_by_role("button", name="One by one").click()  # what stands above it is drawn
    expect(calm.get_by_text("1 of 3")).to_be_visible()
    expect(calm.get_by_text("train/blue/05.png")).to_be_visible()
    settled(calm)
    calm.keyboard.press("2")
    expect(calm.get_by_text("2 of 3")).to_be_visible()
    calm.keyboard.press("k")
    expect(calm.get_by_text("3 of 3")).to_be_visible()
    calm.keyboard.press("u")
    expect(calm.get_by_text("2 of 3")).to_be_visible()
    field = calm.get_by_role("combobox").first
    field.click()
    calm.keyboard.type("2x")  # typing decides nothing
    expect(calm.get_by_text("2 of 3")).to_be_visible()
    calm.keyboard.press("Escape")
    expect(calm.locator(".st-key-bl-repairs")).to_contain_text(re.compile("1 in another class"))
    assert len(list(leaky.rglob("*.png"))) == 16 * 3 + 2 + 6 * 3, "no file is touched"
