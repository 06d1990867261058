"""Data: sources, splits, samples, and what is wrong with the images."""

from __future__ import annotations

import os
import shutil

import pytest

from core import settings
from core.specs import DataSpec


def test_a_built_in_set_is_shown(open_page, words) -> None:
    app = open_page("data", data="shapes")
    assert not app.exception
    assert "Images of each class" in words(app)
    assert "80 validation, 80 test" in words(app)


def test_shares_change_the_split(open_page, words) -> None:
    app = open_page("data", session={"bl.data": DataSpec("textures")})
    assert "bring their own split" in words(app)
    app = open_page("data", data="shapes")
    app.slider(key="bl-test-share").set_value(0).run()
    assert not app.exception
    assert app.session_state["bl.data"].test_share == 0
    assert "80 validation" in words(app)


def test_a_division_outlives_a_reload_and_opens_in_a_second_tab(open_page) -> None:
    app = open_page("data", data="shapes")
    app.slider(key="bl-val-share").set_value(40).run()
    app.slider(key="bl-test-share").set_value(0).run()
    app.number_input(key="bl-per-class").set_value(50).run()
    written = "v40t0s0n50"
    assert app.query_params["split"] in (written, [written])
    for name in ("data", "backbone", "anatomy", "train"):
        again = open_page(name, data="shapes", split=written)
        assert not again.exception
        known = again.session_state["bl.data"]
        assert (known.val_share, known.test_share, known.images_per_class) == (0.4, 0, 50), name
        assert again.query_params["split"] in (written, [written]), name


@pytest.mark.parametrize(
    "text", ["", "v", "v0t0s0n0", "v99t99s0n0", "v20t20s99999999999999n0", "<b>", "v1e9t0s0n0" * 99]
)
def test_a_division_that_is_none_changes_nothing(open_page, text: str) -> None:
    app = open_page("data", data="shapes", split=text)
    assert not app.exception
    assert app.session_state["bl.data"] == DataSpec("shapes", test_share=0.2)


def test_the_address_wins_over_what_was_chosen_before(open_page) -> None:
    before = DataSpec("shapes", val_share=0.3, test_share=0.1)
    app = open_page("data", session={"bl.data": before}, data="shapes", split="v25t5s7n0")
    assert app.session_state["bl.data"] == DataSpec("shapes", val_share=0.25, test_share=0.05, seed=7)


def test_a_folder_with_a_damaged_file_names_it(open_page, words, image_folder) -> None:
    root = image_folder("بطيخ و توت", classes=("أحمر", "blue"))
    (root / "blue" / "broken.png").write_bytes(b"not a picture")
    app = open_page("data", session={"bl.data": DataSpec(str(root))}, view="problems")
    assert not app.exception
    assert "Files that cannot be read (1)" in words(app)


def test_problems_are_told_in_the_first_screen_with_their_pictures(open_page, words, params, image_folder) -> None:
    root = image_folder("train and val", classes=("cats", "*rare*"), presplit=True)
    shutil.rmtree(root / "test")
    (twin,) = list((root / "train" / "cats").glob("*"))[:1]
    for folder in ("val/cats", "train/*rare*"):
        (root / folder / f"copy{twin.suffix}").write_bytes(twin.read_bytes())
    app = open_page("data", session={"bl.data": DataSpec(str(root))})
    assert not app.exception
    (said,) = [error.value for error in app.error]
    assert "stand in two splits" in said or "stands in two splits" in said
    assert "in two classes" in said
    app.segmented_control(key="bl-data-view").set_value("problems").run()
    told = words(app)
    assert "In two splits (" in told
    assert "In two classes (" in told
    app.segmented_control(key="bl-data-view").set_value("overview").run()
    assert any("They bring no test images" in warning.value for warning in app.warning)
    app.toggle(key="bl-anew").set_value(True).run()
    assert not app.exception
    assert app.session_state["bl.data"].anew
    assert not any("They bring no test images" in warning.value for warning in app.warning)
    app.slider(key="bl-test-share").set_value(40).run()
    again = open_page("data", **params(app))
    assert again.session_state["bl.data"] == DataSpec(str(root), test_share=0.4, anew=True)


def test_the_newest_upload_comes_first_and_can_be_kept(open_page, image_folder) -> None:
    for place, name in enumerate(("new", "aged")):
        made = image_folder(f"for {name}")
        path = settings.uploads_dir() / name
        shutil.copytree(made, path)
        os.utime(path, (1000 - place, 1000 - place))
    app = open_page("data", **{"from": "upload"})
    assert app.selectbox(key="bl-uploaded").options == ["new", "aged"]
    app.button(key="bl-upload-delete").click().run()
    app.button(key="bl-upload-delete-not").click().run()
    assert not app.exception
    assert (settings.uploads_dir() / "new").is_dir()


def test_a_folder_outside_the_roots_is_refused(open_page, words, tmp_path) -> None:
    (tmp_path / "elsewhere" / "a").mkdir(parents=True)
    app = open_page("data", session={"bl.data": DataSpec(str(tmp_path / "elsewhere"))})
    assert not app.exception
    app.segmented_control(key="bl-data-kind").set_value("folder").run()
    assert not app.exception
    assert "elsewhere lies outside the folders that may be read here" in words(app)
    assert "Images of each class" not in words(app)


def test_without_folders_the_page_says_where_to_put_them(open_page, words) -> None:
    app = open_page("data")
    app.segmented_control(key="bl-data-kind").set_value("folder").run()
    assert "No image folders here" in words(app)
