"""Every page in its sizes and themes, and what it says to a file that is wrong."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, TimeoutError, expect

WIDTHS = (1440, 1024, 800, 390)
GROUND = {"light": range(200, 256), "dark": range(0, 60)}
"""How bright the page's ground is, 0 to 255."""
PAGES = (
    "",
    "data",
    "backbone",
    "anatomy",
    "train",
    "evaluate",
    "runs",
    "studies",
    "feature_maps",
    "filters",
    "heatmaps",
    "shortcut",
    "leak",
    "try_it",
    "style",
    "autoencoder",
    "gan",
    "about",
)
OF_A_RUN = ("evaluate", "runs", "feature_maps", "filters", "heatmaps")

TOO_WIDE = """() => {
  const main = document.querySelector('[data-testid="stMain"]');
  const found = main.scrollWidth - main.clientWidth > 1 ? [`main ${main.scrollWidth} in ${main.clientWidth}`] : [];
  const end = main.getBoundingClientRect().right + 1;
  for (const part of main.querySelectorAll('[data-testid="stElementContainer"], h1, h2, h3, img, button, [role=radio]')) {
    const box = part.getBoundingClientRect();
    const seen = part.checkVisibility({opacityProperty: true, visibilityProperty: true}) && box.width;
    if (seen && box.right > end) found.push(`${part.tagName} ${part.className} ends at ${Math.round(box.right)}`);
  }
  return found;
}"""  # noqa: E501
BRIGHTNESS = """() => {
  const colour = getComputedStyle(document.querySelector('[data-testid="stApp"]')).backgroundColor;
  const [r, g, b] = colour.match(/[\\d.]+/g).map(Number);
  return Math.round((r + g + b) / 3);
}"""


HEADER = "getComputedStyle(document.querySelector('[data-testid=\"stHeader\"]')).backgroundColor"
GROUND_COLOUR = "getComputedStyle(document.querySelector('[data-testid=\"stApp\"]')).backgroundColor"


@pytest.fixture
def shown(trained: Any, visit: Callable[..., Page]) -> Callable[[Page, str], Page]:
    """Opens a page with something on it."""

    def show(page: Page, name: str) -> Page:
        query = {"run": trained.id} if name in OF_A_RUN else {}
        return visit(page, name, **query, **({"data": "digits"} if name == "train" else {}))

    return show


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_its_window(
    name: str, calm: Page, shown: Callable[[Page, str], Page], settled: Callable[[Page], Page]
) -> None:
    calm.emulate_media(color_scheme="light")
    shown(calm, name)
    assert calm.evaluate(CLOSE) == [], "a share is written as in texts, with a space before the sign"
    for theme, ground in GROUND.items():
        calm.emulate_media(color_scheme=theme)
        calm.wait_for_function(
            f"([least, most]) => {{ const now = ({BRIGHTNESS})(); return least <= now && now < most; }}",
            arg=[ground.start, ground.stop],
        )
        for width in WIDTHS:
            calm.set_viewport_size({"width": width, "height": 900})
            settled(calm)
            expect(calm.get_by_role("heading", level=1)).to_be_in_viewport()
            with suppress(TimeoutError):  # the assertion below says what is too wide
                calm.wait_for_function(f"() => ({TOO_WIDE})().length === 0", timeout=5000)
            assert calm.evaluate(TOO_WIDE) == [], f"{theme}, {width} px"


def test_a_narrow_window_reaches_every_page(calm: Page, shown: Callable[[Page, str], Page]) -> None:
    calm.set_viewport_size({"width": 600, "height": 900})
    shown(calm, "data")
    assert calm.evaluate(HEADER) == calm.evaluate(GROUND_COLOUR), "text scrolls below it"
    calm.get_by_test_id("stExpandSidebarButton").click()
    calm.get_by_role("navigation", name="App pages").get_by_role("link", name="Runs", exact=True).click()
    expect(calm.get_by_role("heading", level=1, name="Runs", exact=True)).to_be_visible()


PALE = """() => {
  const light = colour => { const part = colour.match(/[\\d.]+/g).slice(0, 3).map(Number).map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * part[0] + .7152 * part[1] + .0722 * part[2]; };
  const ground = light(getComputedStyle(document.querySelector('[data-testid="stApp"]')).backgroundColor);
  const contrast = colour => { const own = light(colour); return (Math.max(own, ground) + .05) / (Math.min(own, ground) + .05); };
  const said = '.js-plotly-plot :is(.xtick, .ytick, .g-xtitle, .g-ytitle) text, [data-testid="stVegaLiteChart"] '
    + ':is(.role-axis-label, .role-axis-title, .role-legend-label) text';
  const texts = [...document.querySelectorAll(said)].map(text => [text.textContent, getComputedStyle(text).fill]);
  const captions = [...document.querySelectorAll('[data-testid="stCaptionContainer"] p')].map(text => {
    const shown = getComputedStyle(text), opacity = getComputedStyle(text.parentElement).opacity;
    return [text.textContent, opacity === "1" ? shown.color : "opacity " + opacity]; });
  const found = [...texts, ...captions];
  return [found.length, found.filter(([, colour]) => colour.startsWith("opacity") || contrast(colour) < 4.5)];
}"""  # noqa: E501


CLOSE = """() => [...document.querySelectorAll('.js-plotly-plot text, [data-testid="stVegaLiteChart"] text')]
  .map(text => text.textContent).filter(text => /\\d%/.test(text))"""


@pytest.mark.parametrize("name", ["backbone", "evaluate", "train"])
def test_what_charts_and_captions_say_stands_out_from_the_ground(
    name: str, calm: Page, shown: Callable[[Page, str], Page]
) -> None:
    calm.emulate_media(color_scheme="light")
    shown(calm, name)
    calm.wait_for_function(f"() => ({PALE})()[0] > 4")
    for theme, ground in GROUND.items():
        calm.emulate_media(color_scheme=theme)
        calm.wait_for_function(
            f"([least, most]) => {{ const now = ({BRIGHTNESS})(); return least <= now && now < most; }}",
            arg=[ground.start, ground.stop],
        )
        with suppress(TimeoutError):  # the assertion below says what is pale
            calm.wait_for_function(f"() => ({PALE})()[1].length === 0", timeout=5000)
        assert calm.evaluate(PALE)[1] == [], theme


def test_a_table_takes_on_the_theme_that_is_chosen_while_it_stands(
    calm: Page, visit: Callable[..., Page], settled: Callable[[Page], Page]
) -> None:
    calm.emulate_media(color_scheme="dark")
    visit(calm, "backbone")
    calm.get_by_role("radio", name="Table", exact=True).click()
    table = calm.get_by_test_id("stDataFrame")
    expect(table.locator("canvas").first).to_be_visible()
    for theme in ("light", "dark", "light"):
        calm.emulate_media(color_scheme=theme)
        settled(calm)
        ends = (0, 0)
        for _attempt in range(50):
            pixels = np.asarray(Image.open(io.BytesIO(table.screenshot())).convert("L"))
            ends = tuple(int(np.percentile(pixels, share)) for share in (0.5, 50, 99.5))
            if ends[1] in GROUND[theme] and abs(ends[0 if theme == "light" else 2] - ends[1]) > 100:
                break
            calm.wait_for_timeout(100)
        else:
            pytest.fail(f"{theme}: darkest, ground and brightest are {ends}")


SLIDER = """() => {
  const slider = document.querySelector('[data-testid="stSlider"]');
  const middle = part => { const box = part.getBoundingClientRect(); return box.left + box.width / 2; };
  const input = slider.querySelector('input'), ends = [...slider.querySelectorAll('[data-testid="stSliderTickBar"] > *')];
  const bar = slider.querySelector('[role="group"] > div'), box = bar.getBoundingClientRect();
  return {share: (input.value - input.min) / (input.max - input.min),
    thumb: (middle(input.closest('[data-rac][style*="left"]')) - box.left) / box.width,
    mirrored: getComputedStyle(bar.firstElementChild).scale.startsWith('-1'),
    ends: middle(ends[0]) < middle(ends[1])};
}"""  # noqa: E501


@pytest.mark.parametrize(("locale", "rightward"), [("en-US", True), ("ar", False)])
def test_a_sliders_thumb_bar_and_ends_agree(
    locale: str, rightward: bool, new_context: Callable[..., Any], visit: Callable[..., Page]
) -> None:
    page = visit(new_context(locale=locale).new_page(), "shortcut")
    expect(page.get_by_test_id("stSlider").first).to_be_visible()
    found = page.evaluate(SLIDER)
    assert found["thumb"] == pytest.approx(found["share"] if rightward else 1 - found["share"], abs=0.02)
    assert (found["ends"], found["mirrored"]) == (rightward, not rightward)


# --- wrong files ------------------------------------------------------------------------------------------------------


def zipped(**files: bytes) -> bytes:
    """Returns a zip archive; ``__`` in a name stands for a slash, ``UP`` for two dots."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("UP", "..") + ".png", content)
    return packed.getvalue()


WRONG = {
    "text": (b"This is no archive at all.\n", "is not a zip archive, or it is damaged"),
    "upward": (zipped(UP__UP__escaped=b"x", cats__a=b"x"), "leads outside the archive"),
    "pictureless": (zipped(), "holds no images"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_upload_gets_a_sentence_and_loses_nothing(
    kind: str, calm: Page, server: Any, visit: Callable[..., Page], settled: Callable[[Page], Page]
) -> None:
    content, sentence = WRONG[kind]
    before = sorted(str(path) for path in server.home.rglob("*") if "runs" not in path.parts)
    visit(calm, "data", data="digits")
    expect(calm.get_by_role("radio", name="Small digits", exact=True)).to_be_checked()
    calm.get_by_role("radio", name="Upload", exact=True).click()
    settled(calm)
    files = [{"name": "holiday.zip", "mimeType": "application/zip", "buffer": content}]
    calm.locator(".st-key-bl-upload-drop input[type=file]").set_input_files(files)
    face = calm.get_by_role("main").get_by_role("status")
    expect(face).to_contain_text("This was not taken")
    expect(face).to_contain_text(re.compile(rf"holiday\.zip.*{sentence}"))
    expect(face).to_contain_text("Nothing of it was kept.")
    expect(calm.locator(".st-key-bl-context")).to_contain_text("Small digits")
    after = sorted(str(path) for path in server.home.rglob("*") if "runs" not in path.parts)
    assert [path for path in after if path not in before and not path.endswith("uploads")] == []
    calm.get_by_role("radio", name="Built in", exact=True).click()
    expect(calm.get_by_role("radio", name="Small digits", exact=True)).to_be_checked()


def test_a_good_upload_is_taken_and_can_be_deleted(
    calm: Page, folder: Path, server: Any, visit: Callable[..., Page], settled: Callable[[Page], Page]
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, path.relative_to(folder.parent))
    visit(calm, "data")
    calm.get_by_role("radio", name="Upload", exact=True).click()
    files = [{"name": "my colours.zip", "mimeType": "application/zip", "buffer": packed.getvalue()}]
    calm.locator(".st-key-bl-upload-drop input[type=file]").set_input_files(files)
    expect(calm.locator('dt:text-is("Images") + dd')).to_have_text("48")
    expect(calm.locator(".st-key-bl-context")).to_contain_text("my-colours")
    settled(calm).get_by_role("button", name="Delete this upload").click()
    settled(calm).get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    expect(calm.get_by_role("dialog")).to_have_count(0)
    expect(calm.locator(".st-key-bl-context")).not_to_contain_text("my-colours")
    assert not (server.data / "uploads" / "my-colours").exists()


def test_a_wrong_picture_gets_a_sentence(calm: Page, trained: Any, visit: Callable[..., Page]) -> None:
    visit(calm, "heatmaps", run=trained.id)
    calm.get_by_role("button", name="Pictures", exact=True).last.click()
    calm.get_by_text("Your own", exact=True).click()
    files = [{"name": "cat.png", "mimeType": "image/png", "buffer": b"no picture"}]
    calm.locator('input[type="file"]').set_input_files(files)
    expect(calm.get_by_text("cat.png is not an image in a format that can be read here.")).to_be_visible()
    expect(calm.get_by_role("img", name=re.compile("Heatmap of the evidence for"))).to_be_attached()  # as before


# --- what terms mean --------------------------------------------------------------------------------------------------

TIP = """sign => {
  const style = getComputedStyle(sign, '::after');
  return style.content === 'none' ? null : {text: style.content, start: parseFloat(style.left), width: parseFloat(style.width)};
}"""  # noqa: E501


@pytest.mark.parametrize("way", ["hover", "tap", "focus"])
@pytest.mark.parametrize("width", [1440, 390])
def test_a_terms_sign_explains_it_within_the_window(
    way: str, width: int, new_context: Callable[..., Any], visit: Callable[..., Page]
) -> None:
    page = new_context(has_touch=True).new_page()
    page.set_viewport_size({"width": width, "height": 900})
    visit(page, "backbone", backbone="efficientnet_lite0")
    sign = page.get_by_role("button", name=re.compile("^Work per image: "))
    sign.scroll_into_view_if_needed()
    assert sign.evaluate(TIP) is None
    getattr(sign, way)()
    page.wait_for_function(f"sign => ({TIP})(sign) !== null", arg=sign.element_handle())
    tip = sign.evaluate(TIP)
    assert "Multiplications followed by an addition" in tip["text"]
    assert tip["start"] >= 0
    assert tip["start"] + tip["width"] <= width
