"""The Split column: who stays together, folds, a division that cannot be made, and one that is written to disk."""

from __future__ import annotations

import pytest

from core.data.division.on_disk import fingerprint
from core.data.sources import open_dataset
from core.runs import launch
from core.specs import DataSpec
from pages.ui.session import caches


@pytest.fixture(autouse=True)
def alone(monkeypatch) -> None:
    monkeypatch.setattr(launch, "spawn", lambda *_args, **_more: None)


def test_groups_folds_and_shares_reach_the_data(open_page, image_folder) -> None:
    app = open_page("data", data=str(image_folder("some", images=12)))
    app.selectbox(key="bl-group-by").set_value("stem").run()
    assert not app.exception
    app.selectbox(key="bl-val-of").set_value("rest").run()
    assert not app.exception
    spec = app.session_state["bl.data"]
    assert (spec.group_by, spec.val_of) in (("stem", "rest"), ("", "rest"))
    app.selectbox(key="bl-data-folds").set_value(3).run()
    app.number_input(key="bl-data-fold").set_value(2).run()
    assert not app.exception
    spec = app.session_state["bl.data"]
    assert (spec.folds, spec.fold) == (3, 1)


def test_what_cannot_be_divided_so_is_said_and_nothing_changes(open_page, image_folder, words) -> None:
    app = open_page("data", data=str(image_folder("some", images=12)))
    app.selectbox(key="bl-group-by").set_value("exif").run()
    assert not app.exception
    assert "records when it was taken" in words(app)
    assert app.session_state["bl.data"].group_by == ""
    app.selectbox(key="bl-group-by").set_value("folder").run()
    assert "cannot be grouped by folder" in words(app)


def test_a_split_on_disk_comes_back_with_the_same_hash(open_page, image_folder, words) -> None:
    app = open_page("data", data=str(image_folder("some", images=12)))
    app.text_input(key="bl-division-name").set_value("my split").run()
    app.button(key="bl-division-go").click().run()
    assert not app.exception
    said = words(app)
    target = caches.roots()[0] / "my-split"
    spec: DataSpec = app.session_state["bl.data"]
    hash_ = fingerprint(open_dataset(str(target)))
    assert hash_ == fingerprint(caches.divided(spec))
    assert "has the same hash" in said
    assert hash_ in said
    app.button(key="bl-division-go").click().run()
    assert not app.exception
    assert "my-split" in words(app)  # it is there already, and said so
