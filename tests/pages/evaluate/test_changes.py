"""Evaluate: what a run that was trained again changed, and where a network is worse."""

from __future__ import annotations

import numpy as np
import pytest

from core.runs.store import Run, RunStore


@pytest.fixture
def again(learned) -> tuple[Run, Run]:
    """A run with one mistake among its test images, and one on repaired images that makes none."""
    from core.evaluation.predictions import read_predictions, write_predictions
    from core.workflows import retraining
    from core.workflows.images import reopen

    first = learned()
    known = read_predictions(first.path / "predictions.parquet", first.classes())
    assert known is not None
    learned_from = next(row["key"] for row in first.split_rows() if row["split"] == "train")
    revision = retraining.revision_of(first.experiment.data).excluding([learned_from])
    second = RunStore().create(retraining.again(first, retraining.repaired(first, revision), "Small one, repaired"))
    for file in first.path.iterdir():
        if file.name != "experiment.json":
            (second.path / file.name).write_bytes(file.read_bytes())
    second = Run(second.path.rename(second.path.with_name("29990101T000000Z-again-0000")))
    items = {item.key: item for item in reopen(first).items}
    right = np.where(np.arange(2)[None] == known.labels[:, None], 0.9, 0.1).astype(np.float32)
    write_predictions(second.path / "predictions.parquet", [items[k] for k in known.keys], right, first.classes())
    return first, second


def test_a_run_that_was_trained_again_says_what_changed(open_page, words, params, again: tuple[Run, Run]) -> None:
    first, second = again
    app = open_page("evaluate", run=second.id)
    assert not app.exception
    assert "Trained again from Small one: 1 image is newly right, 0 are newly wrong." in words(app)
    app.button(key="bl-eval-see-changes").click().run()
    assert not app.exception
    assert {"view": "changes", "against": first.id}.items() <= params(app).items()
    said = words(app)
    assert "What changed, cell by cell" in said
    assert "1 picture more is right" in said
    assert "Trained again from" not in words(open_page("evaluate", run=first.id))


def test_without_another_run_there_is_nothing_to_set_against(open_page, learned) -> None:
    app = open_page("evaluate", run=learned().id, view="changes")
    assert not app.exception
    offered = next(control for control in app.segmented_control if control.key == "bl-eval-view")
    assert "changes" not in offered.options
    assert offered.value == "overview"


def test_slices_come_worst_first_and_stand_in_the_address(open_page, words, params, learned) -> None:
    run = learned(test_share=0.5)
    app = open_page("evaluate", run=run.id, view="slices")
    assert not app.exception
    said = words(app)
    assert "Where is it worse?" in said
    assert "Each interval holds by itself" in said
    table = next(frame.value for frame in app.dataframe if "verdict" in frame.value)
    assert list(table["accuracy"]) == sorted(table["accuracy"])
    assert "Class" in set(table["column"])
    app.multiselect(key="bl-eval-sliced-by").set_value(["class"]).run()
    assert not app.exception
    assert params(app)["sliced"] == "class"
    table = next(frame.value for frame in app.dataframe if "verdict" in frame.value)
    assert set(table["column"]) == {"Class"}
    assert table["images"].sum() == 12


def test_images_that_have_gone_are_not_sliced(open_page, words, learned) -> None:
    import shutil

    run = learned(test_share=0.5)
    shutil.rmtree(run.experiment.data.source)
    app = open_page("evaluate", run=run.id, view="slices")
    assert not app.exception
    assert "These images cannot be sliced" in words(app)


@pytest.mark.parametrize("damage", [b"", b"PAR1 nothing of the kind", None])
def test_damaged_answers_are_said_and_can_be_made_again(
    open_page, words, again: tuple[Run, Run], damage: bytes | None
) -> None:
    first, second = again
    if damage is None:  # the answers are of other classes
        (second.path / "classes.json").write_text('{"classes": ["moon", "sun", "star"]}')
    else:
        (second.path / "predictions.parquet").write_bytes(damage)
    app = open_page("evaluate", run=second.id)
    assert not app.exception
    assert "cannot be read: predictions.parquet is damaged, or of other classes" in words(app)
    assert "Judge the best weights" in words(app)
    for view in ("pictures", "chance"):
        app = open_page("compare", runs=f"{first.id},{second.id}", view=view)
        assert not app.exception
        assert "predictions.parquet is damaged" in words(app)
