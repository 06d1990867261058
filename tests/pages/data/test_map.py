"""The map of the page Data: drawn on a click in a process of its own, coloured, and acted on through revisions."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.revisions import store
from core.runs import launch
from core.runs.jobs import JobStore
from core.runs.recorder import Recorder
from core.specs import DataSpec
from core.workflows.data_check.picture_map import PictureMap
from core.workflows.jobs.picture_map import MapRequest
from pages.data import map_view
from pages.ui.session import caches


@pytest.fixture
def folder(image_folder, monkeypatch):
    monkeypatch.setattr(launch, "spawn", lambda *_args, **_more: None)
    return image_folder("mapped", images=6)


def drawn(folder) -> list[str]:
    keys = [f"{name}/{path.name}" for name in ("blue", "red") for path in sorted((folder / name).iterdir())]
    request = MapRequest.of(caches.check_request(DataSpec(str(folder))))
    made = JobStore("maps").create(request.as_record())
    points = np.linspace(0, 1, 2 * len(keys)).reshape(-1, 2)
    made.write_result(PictureMap(tuple(keys), points, "t-sne").as_record())
    Recorder(made).update(state="finished")
    return keys


def test_the_map_is_drawn_on_a_click(open_page, folder, words) -> None:
    app = open_page("data", data=str(folder), view="map")
    assert not app.exception
    assert "every image will be a point" in words(app)
    app.button(key="bl-map-draw").click().run()
    assert not app.exception
    (made,) = JobStore("maps").list()
    assert made.read_request().data.source == str(folder)


def test_colours_and_what_is_chosen(open_page, folder, words, monkeypatch) -> None:
    keys = drawn(folder)
    app = open_page("data", data=str(folder), view="map")
    assert not app.exception
    said = words(app)
    assert "12 images as points by t-SNE, coloured by class" in said
    assert "Click a point" in said
    app = open_page("data", data=str(folder), view="map", **{"map-colours": "split"})
    assert "coloured by split" in words(app)
    chosen = {"selection": {"points": [{"customdata": key} for key in (keys[0], keys[7], "gone.png")]}}
    show = map_view.charts.show
    monkeypatch.setattr(map_view.charts, "show", lambda *args, **more: (show(*args, **more), chosen)[1])
    app = open_page("data", data=str(folder), view="map")
    assert not app.exception
    assert "2 pictures are ticked" in words(app)
    app.button(key="bl-finding-map-exclude").click().run()
    assert not app.exception
    (revision,) = store.history(caches.listed(DataSpec(str(folder))).name)
    assert set(revision.excluded) == {keys[0], keys[7]}
