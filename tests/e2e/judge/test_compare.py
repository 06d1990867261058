"""Compare in the browser: from two ticked runs to their chart, to a changed cell and its pictures."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
from playwright.sync_api import Locator, Page, expect

ROW_PX = 38
CELLS = ".st-key-bl-changes-matrix .bars .point path"
TILES = ".st-key-bl-changes-pictures .bl-gallery button"


def test_from_ticked_runs_to_the_pictures_that_changed(
    calm: Page,
    trained: Any,
    copy_run: Callable[..., Any],
    visit: Callable[..., Page],
    settled: Callable[[Page], Page],
    click_point: Callable[[Locator], None],
    server: Any,
) -> None:
    from core.evaluation.predictions import read_predictions, write_predictions
    from core.workflows.images import reopen

    other = copy_run(trained, server.runs, "another")
    known = read_predictions(other.path / "predictions.parquet", other.classes())
    assert known is not None
    items = {item.key: item for item in reopen(trained).items}
    right = np.where(np.arange(len(known.classes))[None] == known.labels[:, None], 0.9, 0.1 / len(known.classes))
    write_predictions(
        other.path / "predictions.parquet", [items[k] for k in known.keys], right.astype(np.float32), known.classes
    )
    try:
        visit(calm, "runs")
        box = calm.get_by_test_id("stDataFrame").first.bounding_box()
        assert box is not None
        for row in (1, 2):
            calm.mouse.click(box["x"] + 18, box["y"] + ROW_PX * row + ROW_PX / 2)
            box = settled(calm).get_by_test_id("stDataFrame").first.bounding_box()
            assert box is not None
        calm.get_by_role("button", name=re.compile(r"Compare \d runs")).click()
        calm.wait_for_url(re.compile(r"/compare\?"))
        main = calm.get_by_role("main")
        expect(main).to_contain_text(re.compile(r"Validation accuracy of \d runs"))
        expect(calm.locator(".st-key-bl-compare-curves .js-plotly-plot")).to_be_visible()
        settled(calm).get_by_role("radio", name="Picture by picture").click()
        expect(main).to_contain_text("What changed, cell by cell")
        click_point(calm.locator(CELLS).first)
        expect(calm).to_have_url(re.compile(r"cell=0-0"))
        expect(main).to_contain_text("came in")
        name = settled(calm).locator(TILES).first.locator("img").get_attribute("alt")
        calm.locator(TILES).first.click()
        expect(calm).to_have_url(re.compile(r"/heatmaps\?"))
        assert name
    finally:
        shutil.rmtree(other.path)
