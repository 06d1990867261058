"""Looking inside: first screen, picture strip, a channel, two networks, grown pictures, a tested map, the lab."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

Visit = Callable[..., Page]
SCREENS = ((1440, 900), (1024, 768))
SMALL = {"backbone": "shufflenet_v2_x0_5", "weights": "none", "layer": "conv1", "view": "dreams"}


def test_a_channels_card_answers_to_its_slider_and_finds_its_images(
    calm: Page, trained: Any, visit: Visit, settled: Callable[[Page], Page]
) -> None:
    page = visit(calm, "feature_maps", run=trained.id)
    sheet = page.locator(".bl-sheet").first
    expect(sheet.locator("img")).to_be_visible()
    sheet.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Channel 1", exact=True)).to_be_visible()
    expect(page.get_by_text("As it is. Move the slider to see what depends on this channel.")).to_be_visible()
    page.get_by_role("slider", name="Scale of channel 1").press("Home")
    expect(page.get_by_text(re.compile(r"goes from|The answer turns|Nothing moves"))).to_be_visible()
    page.get_by_role("button", name="Find them").click()
    spots = page.get_by_role("img", name=re.compile("the place with the highest activation of channel 1 is framed"))
    expect(spots.first).to_be_visible()
    expect(settled(page).get_by_text(re.compile(r"Found among \d+ images"))).to_be_visible()


def test_a_run_stands_beside_its_start(calm: Page, trained: Any, visit: Visit) -> None:
    page = visit(calm, "feature_maps", run=trained.id, view="beside")
    expect(page.get_by_role("combobox", name=re.compile("With the model"))).to_have_value(re.compile("before training"))
    expect(page.locator(".bl-sheet").first.locator("img")).to_be_visible()
    expect(page.get_by_role("heading", name="How far the weights moved")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text(re.compile(r"\d+ of \d+ layers"))


def test_a_picture_goes_through_the_epochs(
    calm: Page, trained: Any, visit: Visit, settled: Callable[[Page], Page]
) -> None:
    page = visit(calm, "heatmaps", run=trained.id, view="epochs")
    expect(page.get_by_role("img", name=re.compile("Before training: heat for"))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("After epoch 1: heat for|Epoch 1, the best"))).to_be_visible()
    page.get_by_role("combobox", name="Moment of the training").click()
    page.get_by_role("option", name="After epoch 2").click()
    expect(page).to_have_url(re.compile(r"moment=2\b"))
    page.get_by_role("main").get_by_text("One map", exact=True).click()
    expect(settled(page).get_by_role("img", name=re.compile("Heatmap of the evidence for"))).to_be_visible()


def test_a_map_is_tested_against_chance(calm: Page, trained: Any, visit: Visit) -> None:
    untested = next(row["key"] for row in trained.split_rows() if row["split"] == "val")  # others test mistakes' maps
    page = visit(calm, "heatmaps", run=trained.id, image=untested)
    expect(page.get_by_role("img", name=re.compile("Heatmap of the evidence for"))).to_be_visible()
    page.get_by_role("button", name="Test this map").click()
    word = page.locator(".bl-verdict b")
    expect(word).to_have_text(re.compile("^(Trust it|Partly|Do not)$"), timeout=120_000)
    said = word.inner_text()
    page.get_by_role("main").get_by_text("Figures", exact=True).click()
    expect(page.get_by_role("main").locator("dt", has_text="Deletion").first).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text(re.compile(r"random \d"))
    page.get_by_role("main").get_by_text("Methods", exact=True).click()
    expect(page.get_by_role("img", name=re.compile("HiResCAM")).first).to_be_visible()
    expect(word).to_have_text(said)  # it is remembered


def test_a_network_falls_for_a_planted_mark(calm: Page, visit: Visit) -> None:
    page = visit(calm, "shortcut")
    expect(page.get_by_role("img", name=re.compile("8 with mark")).first).to_be_visible()
    page.get_by_role("button", name="Plant the mark and train").click()
    expect(page.get_by_role("heading", name="What happened")).to_be_visible(timeout=180_000)
    said = page.get_by_text(re.compile("Accuracy of the small network trained with marks")).last.inner_text()
    marked, plain, moved = (int(share) for share in re.findall(r"(\d+)\s%", said)[:3])
    assert marked > plain + 30, said
    assert moved < 20, said
    expect(page.get_by_role("main")).to_contain_text("the network has to look at the object")


def test_a_careless_division_promises_what_a_careful_one_does_not_keep(calm: Page, visit: Visit) -> None:
    page = visit(calm, "leak")
    expect(page.get_by_role("main").get_by_text("group 2").first).to_be_visible()
    page.get_by_role("button", name="Divide twice and measure").click()
    expect(page.get_by_role("heading", name="What happened")).to_be_visible(timeout=120_000)
    said = page.get_by_text(re.compile("^Nearest picture: .* torn apart")).first.inner_text()
    careless, honest = (float(share) for share in re.findall(r"([\d.]+)\s%", said)[:2])
    assert careless > 90, said
    assert 40 < honest < 60, said


def test_a_click_on_the_map_shows_its_picture_and_leaves_it_out(
    calm: Page, visit: Visit, click_point: Callable[[Locator], None]
) -> None:
    page = visit(calm, "data", data="shapes", split="v20t20s0n8", view="map")
    page.get_by_role("button", name=re.compile("Draw the map of")).click()
    points = page.locator(".st-key-bl-map-chart-points path.point")
    expect(points).to_have_count(32, timeout=90_000)
    expect(page.get_by_role("main")).to_contain_text("32 images as points by")
    click_point(points.nth(3))
    expect(page.get_by_role("main")).to_contain_text("1 picture is ticked.")
    page.get_by_role("button", name="Leave out", exact=True).click()
    expect(points).to_have_count(31)


def test_pictures_grow_are_kept_and_can_be_given_up(
    calm: Page, visit: Callable[..., Page], settled: Callable[[Page], Page]
) -> None:
    page = visit(calm, "filters", **SMALL)
    page.get_by_role("button", name="Grow 16 pictures").click()
    tiles = page.locator(".bl-gallery button")
    expect(tiles).to_have_count(16)
    settled(page)
    expect(tiles.first).to_have_attribute("aria-pressed", "true")
    expect(tiles.first).to_contain_text(re.compile(r"Channel 0.*noise", re.DOTALL))
    tiles.nth(5).click()
    expect(page.get_by_role("heading", name="Channel 5", exact=True)).to_be_visible()
    page = visit(page, "filters", **SMALL)
    expect(tiles).to_have_count(16)
    expect(page.get_by_role("button", name="Grow 16 pictures")).to_have_count(0)
    page.get_by_role("button", name="Grow it larger: 256 px, 384 steps").click()
    page.get_by_role("button", name="Cancel", exact=True).click()
    settled(page)
    expect(page.get_by_role("button", name="Grow it larger: 256 px, 384 steps")).to_be_enabled()


def lies_within(page: Page, selector: str, share: float) -> bool:
    """Whether this share of an element's height stands in the window."""
    box = page.locator(selector).first.bounding_box()
    size = page.viewport_size
    assert box is not None
    assert size is not None
    seen = min(box["y"] + box["height"], size["height"]) - max(box["y"], 0)
    return seen >= share * box["height"] and box["x"] >= 0 and box["x"] + box["width"] <= size["width"] + 1


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_picture_and_maps_stand_in_the_first_screen(
    calm: Page, trained: Any, visit: Visit, width: int, height: int
) -> None:
    calm.set_viewport_size({"width": width, "height": height})
    page = visit(calm, "feature_maps", run=trained.id)
    expect(page.locator(".bl-sheet img").first).to_be_visible()
    assert lies_within(page, ".bl-picture img", 1.0)
    assert lies_within(page, ".bl-sheet", 0.6)
    expect(page.get_by_text(re.compile(r"^The kernel of channel 0$"))).to_be_attached()
    assert page.get_by_role("button", name="More", exact=True).count() == 1


def test_a_picture_is_picked_from_the_strip_and_stays_after_a_reload(
    calm: Page, trained: Any, visit: Visit, settled: Callable[[Page], Page]
) -> None:
    page = visit(calm, "heatmaps", run=trained.id)
    strip = page.locator(".bl-strip")
    expect(strip.locator(".row button")).not_to_have_count(0)
    first = strip.locator('.row button[aria-pressed="true"]').get_attribute("title")
    strip.get_by_role("button", name="The next picture").click()
    expect(strip.locator(".row button").nth(1)).to_have_attribute("aria-pressed", "true")
    second = strip.locator('.row button[aria-pressed="true"]').get_attribute("title")
    assert second != first
    expect(page).to_have_url(re.compile("image="))
    settled(page).reload()
    chosen = page.locator('.bl-strip .row button[aria-pressed="true"]')
    expect(chosen).to_have_attribute("title", str(second))


def test_several_own_files_join_the_strip(
    calm: Page, trained: Any, visit: Visit, settled: Callable[[Page], Page]
) -> None:
    def file(name: str, kind: str, colour: str) -> dict[str, Any]:
        data = io.BytesIO()
        Image.new("RGB", (80, 60), colour).save(data, kind)
        return {"name": name, "mimeType": "application/octet-stream", "buffer": data.getvalue()}

    page = visit(calm, "heatmaps", run=trained.id)
    page.get_by_role("button", name="Pictures", exact=True).last.click()
    page.get_by_text("Your own", exact=True).click()
    page.locator('input[type="file"]').set_input_files(
        [
            file("*one*.jfif", "JPEG", "teal"),
            {"name": "torn.png", "mimeType": "image/png", "buffer": b"no picture"},
            file("$two$.avif", "AVIF", "red"),
        ]
    )
    row = page.locator(".bl-strip .row button")
    expect(row.nth(0)).to_have_attribute("title", "*one*.jfif · Yours")
    expect(row.nth(1)).to_have_attribute("title", "$two$.avif · Yours")
    expect(row.nth(0)).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text(re.compile("torn.png is not an image"))).to_be_visible()
    settled(page).keyboard.press("Escape")
    row.nth(1).click()
    expect(row.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(settled(page).get_by_role("img", name=re.compile("Heatmap of the evidence for"))).to_be_visible()


@pytest.fixture(scope="module")
def two_runs(trained: Any, server: Any, copy_run: Callable[..., Any]) -> Any:
    """A run and a copy of it, so that there are two to compare."""
    copy_run(trained, server.runs, "again")
    return trained


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_every_view_of_heatmaps_answers_in_the_first_screen(
    calm: Page, two_runs: Any, visit: Visit, width: int, height: int
) -> None:
    calm.set_viewport_size({"width": width, "height": height})
    maps = re.compile("heat for|Heatmap of the evidence for")
    for view in ("one", "methods", "classes", "layers", "pictures", "epochs", "runs"):
        page = visit(calm, "heatmaps", run=two_runs.id, view=view)
        parts = {
            "map": page.get_by_role("img", name=maps).first,
            "picture": page.get_by_role("img", name="The chosen picture, cropped as the network sees it"),
            "answer": page.locator(".bl-answer, .bl-probabilities").first,
            "trust": page.get_by_role("button", name="Test this map").or_(page.locator(".bl-verdict")).first,
        }
        for name, part in parts.items():
            expect(part).to_be_visible()
            box = part.bounding_box()
            assert box is not None
            assert box["y"] >= 0
            assert box["y"] + box["height"] <= height, (view, name, box)
        assert page.get_by_role("main").get_by_role("button", name="More").count() == 1
        assert page.get_by_test_id("stMain").evaluate("part => part.scrollWidth - part.clientWidth") <= 0


@pytest.mark.parametrize("width", [1440, 800])
def test_a_formula_is_never_cut(calm: Page, trained: Any, visit: Visit, width: int) -> None:
    calm.set_viewport_size({"width": width, "height": 768})
    page = visit(calm, "heatmaps", run=trained.id)
    page.get_by_role("main").get_by_role("button", name="More").click()
    formulas = page.locator(".katex-display:visible")
    expect(formulas.first).to_be_visible()
    for formula in formulas.all():
        assert formula.evaluate("part => part.scrollWidth - part.clientWidth") <= 1
        box = formula.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def test_the_views_stand_in_the_same_place_on_every_page(calm: Page, trained: Any, visit: Visit) -> None:
    for name in ("heatmaps", "feature_maps", "filters"):
        page = visit(calm, name, run=trained.id)
        expect(page.get_by_role("combobox", name="Moment of the training")).to_be_visible()
        above = page.locator(".st-key-bl-look").bounding_box()
        below = page.locator(".st-key-bl-view-strip").bounding_box()
        assert above is not None
        assert below is not None
        assert 0 <= below["y"] - (above["y"] + above["height"]) < 40, name
