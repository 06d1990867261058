"""The pages show runs that commit 5a25077 trained."""

from __future__ import annotations

import pytest

from core.runs.store import Run


@pytest.mark.parametrize("state", ["finished", "paused"])
@pytest.mark.parametrize("name", ["train", "evaluate", "runs", "heatmaps", "feature_maps", "home"])
def test_every_page_that_shows_runs_shows_them(
    open_page, words, earlier: dict[str, Run], name: str, state: str
) -> None:
    app = open_page(name, run=earlier[state].id)
    assert not app.exception
    said = words(app)
    assert "Something went wrong" not in said
    assert "cannot be read" not in said
    if name == "runs":
        rows = app.dataframe[0].value
        assert rows["state"].tolist() == ["Paused", "Finished"]
        assert rows["recipe"].tolist() == ["Own phases", "Two phases"]
    if (name, state) == ("train", "finished"):
        assert "80 %" in said  # of the test images
        assert "0 of 260 frozen values changed" in said
    if name == "train":
        assert earlier[state].name in said
