"""The view Problems: cards act on the images through revisions, which can be undone; no file is touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.data.revisions import store
from core.data.sources import open_spec
from core.runs.jobs import JobStore
from core.runs.recorder import Recorder
from core.specs import DataSpec
from core.workflows.data_check.check import check
from core.workflows.data_check.report import Check, Doubt, Link
from pages.ui.session import caches


@pytest.fixture
def copied(image_folder: Callable[..., Path]) -> Path:
    """Images in splits, one of them also in validation and in the other class, under names that are markup."""
    root = image_folder("copied", ("*cats*", "<b>dogs"), presplit=True)
    first = min((root / "train" / "*cats*").iterdir())
    for name in ("val/*cats*/<b>copy*.png", "train/<b>dogs/copy.png"):
        (root / name).write_bytes(first.read_bytes())
    return root


def problems(open_page: Callable[..., AppTest], root: Path) -> AppTest:
    app: AppTest = open_page("data", session={"bl.data": DataSpec(str(root))}, view="problems")
    assert not app.exception
    return app


def titles(app: AppTest) -> list[str]:
    return [row.label for row in app.expander]


def pressed(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception
    return app


def given(root: Path, **more: object) -> None:
    """Puts a finished check on the disk, with findings that the network would have made."""
    spec = DataSpec(str(root))
    found: Check = check(open_spec(spec), features=False)
    job = JobStore("checks").create(caches.check_request(spec).as_record())
    job.write_result(replace(found, featured=True, **more).to_dict())  # type: ignore[arg-type]
    Recorder(job).update(state="finished")


def test_copies_are_moved_to_training_and_back(open_page, copied) -> None:
    app = problems(open_page, copied)
    assert "In two splits (1)" in titles(app)
    before = {path: path.stat().st_mtime_ns for path in copied.rglob("*.png")}
    pressed(app, "bl-finding-leaks-gather")
    assert not any(title.startswith("In two splits") for title in titles(app))
    spec = app.session_state["bl.data"]
    divided = {item.key: item.split for item in caches.divided(spec).items}
    assert divided["val/*cats*/<b>copy*.png"] == "train"
    assert not any("two splits" in error.value for error in app.error)
    assert len(store.history(str(copied))) == 1
    pressed(app, "bl-repair-undo")
    assert app.session_state["bl.data"].revision == ""
    assert "In two splits (1)" in titles(app)
    assert {path: path.stat().st_mtime_ns for path in copied.rglob("*.png")} == before


def test_an_address_brings_what_was_repaired(open_page, copied, params, words) -> None:
    app = pressed(problems(open_page, copied), "bl-finding-leaks-exclude_strays")
    again = open_page("data", **params(app))
    assert again.session_state["bl.data"].revision == app.session_state["bl.data"].revision
    assert "1 left out" in words(again)


def test_what_is_kept_is_not_named_again(open_page, copied, words) -> None:
    app = pressed(problems(open_page, copied), "bl-finding-leaks-keep")
    assert not any(title.startswith("In two splits") for title in titles(app))
    assert "In two classes (1)" in titles(app), "another finding on the same pictures"
    assert "1 set aside as no problem" in words(app)
    pressed(app, "bl-repair-take-files")
    assert "In two splits (1)" in titles(app)


def test_only_what_is_ticked_gets_another_class(open_page, copied) -> None:
    app = problems(open_page, copied)
    assert app.button(key="bl-finding-conflicts-exclude").disabled
    app.session_state["bl.ticked.conflicts"] = {"train/<b>dogs/copy.png"}
    app.run()
    app.selectbox(key="bl-finding-conflicts-class").set_value("*cats*").run()
    pressed(app, "bl-finding-conflicts-relabel")
    assert not any(title.startswith("In two classes") for title in titles(app))
    revision = store.load(app.session_state["bl.data"].revision)
    assert revision.relabelled == (("train/<b>dogs/copy.png", "*cats*"),)


def test_a_change_that_empties_a_class_is_refused(open_page, image_folder) -> None:
    root = image_folder(images=4)
    everything = {f"blue/{path.name}" for path in (root / "blue").iterdir()}
    given(root, outliers=tuple((key, 9.0) for key in sorted(everything)))
    app = problems(open_page, root)
    app.session_state["bl-finding-outliers"] = True
    app.run()
    pressed(app, "bl-finding-outliers-exclude")
    assert any("No picture of blue is left" in warning.value for warning in app.warning)
    assert app.session_state["bl.data"].revision == ""


def test_doubtful_labels_are_gone_through_one_by_one(open_page, image_folder, words, params) -> None:
    root = image_folder()
    keys = sorted(f"blue/{path.name}" for path in (root / "blue").iterdir())[:3]
    given(root, suspects=tuple(Doubt(key, "blue", "red", 0.9) for key in keys))
    app = problems(open_page, root)
    app.session_state["bl-finding-suspects"] = True
    pressed(app.run(), "bl-one-begin")
    assert params(app)["one"] == "suspects"
    assert keys[0] in words(app)
    assert app.button(key="bl-one-class-1").disabled, "it is blue already"
    pressed(app, "bl-one-class-2")
    assert keys[1] in words(app)
    pressed(app, "bl-one-undo")
    assert keys[0] in words(app)
    pressed(pressed(pressed(app, "bl-one-class-2"), "bl-one-later"), "bl-one-exclude")
    pressed(app, "bl-one-keep")
    assert "Every doubtful label is decided." in words(app)
    revision = store.load(app.session_state["bl.data"].revision)
    assert (revision.relabelled, revision.excluded) == (((keys[0], "red"),), (keys[2],))
    assert revision.keeps([keys[1]], "suspects")
    pressed(app, "bl-one-close")
    assert not any(title.startswith("Doubtful labels") for title in titles(app))


def test_the_limit_decides_what_counts_as_a_copy(open_page, image_folder, words, params) -> None:
    root = image_folder()
    keys = [item.key for item in caches.divided(DataSpec(str(root))).items if (item.split, item.label) == ("train", 0)]
    planted = {"mirrored": (1.0,) * 10, "cropped by 10 %": (1.0,) * 8 + (-0.2, 0.6)}
    given(root, links=(Link(keys[0], keys[1], 0.5), Link(keys[2], keys[3], -0.2)), planted=planted)
    app = problems(open_page, root)
    assert "Twice in one split (1)" in titles(app)
    assert "90 % of those cropped by 10 %" in words(app)
    app.slider(key="bl-copy-limit").set_value(-0.3).run()
    assert "Twice in one split (2)" in titles(app)
    assert "It finds every copy that was planted" in words(app)
    again = open_page("data", **params(app))
    assert "Twice in one split (2)" in titles(again)


def test_uneven_classes_say_what_they_do_to_accuracy(open_page, image_folder, words) -> None:
    root = image_folder()
    for path in sorted((root / "red").iterdir())[3:]:
        path.unlink()
    app = problems(open_page, root)
    assert "Uneven classes" in titles(app)
    assert "Whoever always says blue" in words(app)


def test_many_images_are_checked_on_a_click_only(open_page, image_folder, words, monkeypatch) -> None:
    monkeypatch.setattr("pages.data.problems.check_job.LOOKED_AT", 3)
    app = problems(open_page, image_folder())
    assert "24 images have not been opened yet." in words(app)
    assert titles(app) == []
    pressed(app, "bl-check")
    assert any("Nothing is wrong at first sight." in row.value for row in app.success)
    assert "are found by the network only" in words(app)
