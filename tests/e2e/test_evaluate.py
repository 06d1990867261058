"""Evaluate in the browser: a cell of the confusion matrix shows its images, and Back finds the mistake again."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, expect

CELLS = ".st-key-bl-eval-confusion .bars .point path"
TILES = ".st-key-bl-eval-mistakes .bl-gallery button"
ROWS = "[class*='st-key-bl-wrap-why-']"
IN_VIEW = """tile => {
  const box = tile.getBoundingClientRect();
  return box.top >= 0 && box.bottom <= window.innerHeight;
}"""


def test_a_click_on_a_cell_shows_its_images(
    calm: Page, trained: Any, visit: Callable[..., Page], click_point: Callable[[Locator], None]
) -> None:
    from core.workflows.evaluate import recorded

    scores = recorded(trained)["test"].scores
    classes = trained.classes()
    true, said, count = scores.confused()[-1]
    visit(calm, "evaluate", run=trained.id)
    chosen = calm.get_by_role("combobox", name="Mistakes")
    every = f"All {scores.images - scores.right} mistakes"
    expect(chosen).to_have_value(every)
    click_point(calm.locator(CELLS).nth(true * len(classes) + said))
    expect(chosen).to_have_value(f"{classes[true]} taken for {classes[said]} · {count}")
    expect(calm.locator(TILES)).to_have_count(min(count, 12))
    click_point(calm.locator(CELLS).first)  # on the diagonal: what is right
    expect(chosen).to_have_value(f"{classes[0]}, right · {scores.confusion[0, 0]}")


def test_a_click_on_a_cell_says_why_with_maps_trust_and_the_nearest_training_images(
    calm: Page, trained: Any, visit: Callable[..., Page], click_point: Callable[[Locator], None]
) -> None:
    from core.workflows.evaluate import recorded

    scores, classes = recorded(trained)["test"].scores, trained.classes()
    true, said, count = scores.confused()[0]
    train = [row["label"] for row in trained.split_rows() if row["split"] == "train"]
    visit(calm, "evaluate", run=trained.id)
    expect(calm.locator(ROWS)).to_have_count(0)
    click_point(calm.locator(CELLS).nth(true * len(classes) + said))
    expect(calm).to_have_url(re.compile(rf"eval-kind={true}-{said}"))
    main, first = calm.get_by_role("main"), calm.locator(ROWS).first
    expect(calm.locator(ROWS)).to_have_count(min(count, 12))
    expect(first.get_by_role("heading")).to_have_text(
        re.compile(rf"^Called {classes[said]} with .*, is {classes[true]}$")
    )
    maps = first.locator(".bl-tiles").first
    expect(maps.locator("b")).to_have_text(["What it sees", f"For {classes[said]}", f"For {classes[true]}"])
    expect(main).to_contain_text(f"Nearest of the {len(train)} training images")
    near = first.locator(".bl-tiles").nth(1).locator("b")
    expect(near).to_have_count(3)
    named = near.all_inner_texts()
    assert set(named) <= set(train)
    first.get_by_role("button", name=f"Test the map for {classes[said]}").click()
    expect(first.locator(".bl-verdict b")).to_have_text(re.compile("Trust it|Partly|Do not"))
    calm.reload()
    expect(calm.locator(ROWS)).to_have_count(min(count, 12))
    expect(first.locator(".bl-verdict b")).to_have_text(re.compile("Trust it|Partly|Do not"))
    expect(near).to_have_text(named)
    calm.get_by_role("switch", name="Why it said so").or_(calm.get_by_label("Why it said so")).first.press("Space")
    expect(calm.locator(ROWS)).to_have_count(0)
    expect(calm).not_to_have_url(re.compile("eval-why"))


def test_back_from_a_heatmap_finds_the_mistake_again(
    calm: Page, trained: Any, visit: Callable[..., Page], settled: Callable[[Page], Page]
) -> None:
    visit(calm, "evaluate", run=trained.id)
    tile = calm.locator(TILES).nth(9)
    name = tile.locator("img").get_attribute("alt")
    tile.click()
    expect(calm).to_have_url(re.compile(r"/heatmaps\?"))
    settled(calm)
    calm.go_back()
    expect(calm).to_have_url(re.compile(r"/evaluate\?"))
    found = settled(calm).locator(TILES).filter(has=calm.get_by_role("img", name=name, exact=True))
    calm.wait_for_function(IN_VIEW, arg=found.element_handle())


def test_from_a_cell_to_a_training_on_repaired_images_in_four_clicks(
    calm: Page,
    trained: Any,
    visit: Callable[..., Page],
    click_point: Callable[[Locator], None],
    settled: Callable[[Page], Page],
    run_tools: Any,
    server: Any,
) -> None:
    from core.workflows.evaluate import recorded

    true, said, _count = recorded(trained)["test"].scores.confused()[0]
    visit(calm, "evaluate", run=trained.id)
    click_point(calm.locator(CELLS).nth(true * len(trained.classes()) + said))
    named = f"{trained.classes()[true]} taken for {trained.classes()[said]}"
    expect(calm.get_by_role("heading", name=named).or_(calm.get_by_role("combobox", name="Mistakes"))).to_be_visible()
    expect(calm).to_have_url(re.compile("eval-kind="))
    settled(calm)
    calm.locator(".bl-gallery input[type=checkbox], .bl-gallery [role=checkbox]").first.click()
    calm.get_by_role("button", name="It is right: relabel as it says").click()
    expect(calm.get_by_role("main")).to_contain_text("Since this run: 1 in another class")
    calm.get_by_role("button", name="Train again").click()
    calm.wait_for_url(re.compile(r"/train\?"))
    expect(calm.get_by_role("main")).to_contain_text("Digits, trained, repaired")
    (run,) = [run for run in run_tools.listed(server.runs) if run.name == "Digits, trained, repaired"]
    run_tools.end(run)
    assert run.experiment.data.revision
