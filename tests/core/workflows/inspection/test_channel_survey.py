"""Channels over a person's images: kept on disk by weights, images and layer; two networks side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core import settings
from core.data.sources import Dataset, open_dataset
from core.errors import InputError, RunMissing
from core.interpret.features import similarity as compare
from core.models.network import Network, assemble, save
from core.runs.recorder import Recorder
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.checkpoints import named_checkpoints, network_at, network_named
from core.workflows.inspection import channel_survey
from core.workflows.inspection.channel_survey import (
    chosen,
    collect_answers,
    fingerprints_of,
    images_key,
    known,
    measure_depth,
    weights_key,
)
from core.workflows.inspection.network_comparison import Similarity, moved, same_build, similarity
from tests.support.tiny import tiny


@pytest.fixture
def images(image_folder: Callable[..., Path]) -> Dataset:
    return open_dataset(str(image_folder(images=8)))


def files() -> list[Path]:
    return sorted((settings.cache_dir() / "channels").glob("*"))


def test_the_classes_take_turns_and_the_draw_is_always_the_same(images: Dataset) -> None:
    some = chosen(images, limit=5)
    assert [item.label for item in some.items] == [0, 1, 0, 1, 0]
    assert some.items == chosen(images, limit=5).items
    assert some.items == chosen(images, limit=9).items[:5]
    with pytest.raises(InputError, match="no images in the split test"):
        chosen(images, "test")


def test_a_second_look_reads_the_disk(images: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    network, calls = tiny(), []
    first = collect_answers(network, images, "1.2", progress=lambda *told: calls.append(told))
    assert {told[0] for told in calls} == {"reading", "looking"}
    assert known(fingerprints_of(network, images), "1.2")
    monkeypatch.setattr(channel_survey, "survey", lambda *_a, **_k: pytest.fail("asked again"))
    again = collect_answers(network, images, "1.2")
    assert again.keys == first.keys
    assert again.classes == first.classes == images.classes
    assert again.asked == 16
    for name in ("means", "maxima", "places", "off", "zeros", "hoyer", "broken"):
        np.testing.assert_array_equal(getattr(again.answers, name), getattr(first.answers, name))
    assert again.answers.grid == first.answers.grid


def test_other_weights_images_or_layers_are_asked_anew(images: Dataset) -> None:
    network = tiny()
    collect_answers(network, images, "1.2")
    collect_answers(network, images, "2.0")
    with torch.no_grad():
        next(iter(network.model.parameters())).add_(1e-3)
    collect_answers(network, images, "1.2")
    collect_answers(network, images.subset(range(9)), "1.2")
    assert len(files()) == 4


def test_an_image_that_was_replaced_changes_the_key(images: Dataset) -> None:
    before = images_key(images)
    path = images.path(3)
    assert path is not None
    path.write_bytes(path.read_bytes() + b" ")
    assert images_key(images) != before
    path.unlink()
    assert images_key(images) != before


def test_images_that_cannot_be_read_are_left_out(images: Dataset) -> None:
    path = images.path(2)
    assert path is not None
    path.unlink()
    found = collect_answers(tiny(), images, "1.2")
    assert images.items[2].key not in found.keys
    assert len(found.keys) == found.asked == 15


def test_data_that_are_gone_say_so(images: Dataset) -> None:
    for place in range(len(images)):
        path = images.path(place)
        assert path is not None
        path.unlink()
    with pytest.raises(InputError, match="None of the images"):
        collect_answers(tiny(), images, "1.2")


def test_giving_up_keeps_nothing(images: Dataset) -> None:
    def stop(doing: str, _done: int, _total: int) -> None:
        if doing == "looking":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect_answers(tiny(), images, "1.2", progress=stop)
    assert files() == []


def test_a_torn_file_is_made_again_and_room_is_kept(images: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny()
    first = collect_answers(network, images, "1.2")
    (file,) = files()
    file.write_bytes(file.read_bytes()[:100])
    np.testing.assert_array_equal(collect_answers(network, images, "1.2").answers.means, first.answers.means)
    monkeypatch.setattr(channel_survey, "ANSWERS", replace(channel_survey.ANSWERS, max_bytes=1))
    collect_answers(network, images, "2.0")
    assert len(files()) <= 1


def test_the_story_is_told_once_and_read_again(images: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    network, doing = tiny(), set()
    first = measure_depth(network, images, progress=lambda what, _done, _total: doing.add(what))
    assert doing == {"reading", "looking", "measuring"}
    assert (first.images, first.asked, first.classes) == (16, 16, 2)
    accuracies = [row.accuracy for row in first.rows if row.compared]
    assert len(accuracies) >= 3
    assert max(a for a in accuracies if a is not None) > 0.8, "two colours are told apart"
    monkeypatch.setattr(channel_survey, "survey", lambda *_a, **_k: pytest.fail("asked again"))
    assert measure_depth(network, images) == first


def test_the_fingerprint_is_of_values_not_of_the_object() -> None:
    assert weights_key(tiny()) == weights_key(tiny())
    assert weights_key(tiny()) != weights_key(tiny(batch_norm=False))


# --- moments of a run, and two networks ------------------------------------------------------------------------------


@pytest.fixture
def run(image_folder: Callable[..., Path]) -> Run:
    """A run with a head that was trained and a backbone that was frozen, and weights of two moments."""
    data = DataSpec(str(image_folder("own", images=8)), val_share=0.25)
    recipe = make_recipe("linear-probe")
    model = ModelSpec("squeezenet1_1", "none", image_size=64)
    made = RunStore().create(Experiment(data, model, TrainingSpec("linear-probe", recipe.phases), name="Small"))
    Recorder(made).classes(("blue", "red"))
    network = assemble(model, ("blue", "red"), seed=made.experiment.training.seed)
    for file, step in (("best", 0.1), ("last", 0.3)):
        with torch.no_grad():
            network.model.get_submodule(network.anatomy.head).weight.add_(step)
        save(network.model, made.path / f"{file}.safetensors")
    (made.path / "status.json").write_text(json.dumps({"state": "finished", "epochs": 1}))
    return made


def test_moments_of_a_run(run: Run) -> None:
    assert named_checkpoints(run) == ("start", "best", "last")
    start, best, last = (network_at(run, moment) for moment in ("start", "best", "last"))
    assert same_build(start, last)
    rows = moved(start, best)
    still = [row for row in rows if row.layer != best.anatomy.head]
    assert still
    assert all(row.relative == 0.0 for row in still)
    head = {row.layer: row.relative for row in rows}[best.anatomy.head]
    assert 0 < head < {row.layer: row.relative for row in moved(start, last)}[last.anatomy.head]
    assert network_named(f"{run.id}@start").classes == ("blue", "red")
    assert network_named("squeezenet1_1@none").name == "squeezenet1_1"


def test_a_moment_that_is_not_there(run: Run) -> None:
    (run.path / "last.safetensors").unlink()
    assert named_checkpoints(run) == ("start", "best")
    with pytest.raises(InputError, match="no weights of its last epoch"):
        network_at(run, "last")
    with pytest.raises(InputError, match="no moment noon"):
        network_at(run, "noon")  # type: ignore[arg-type]
    for file in sorted(run.path.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    with pytest.raises(RunMissing):
        network_at(run, "best")


def test_similarity_of_two_networks_over_images(images: Dataset) -> None:
    network, doing = tiny(), set()
    found = similarity(network, network, images, layers=4, progress=lambda what, _done, _total: doing.add(what))
    assert doing == {"reading", "comparing"}
    assert found.images == 16
    assert found.rows == found.columns
    np.testing.assert_allclose(np.diag(found.values), 1.0)
    np.testing.assert_allclose(found.values, found.values.T)


def test_networks_of_different_build_are_not_set_weight_against_weight(images: Dataset) -> None:
    first, second = tiny(), tiny(batch_norm=False)
    second = Network(second.model, second.anatomy, second.preprocessing, second.classes, "other")
    first.model[0][0] = torch.nn.Conv2d(3, 4, 5, padding=2)
    assert not same_build(first, second)
    with pytest.raises(InputError, match="different networks"):
        moved(first, second)
    assert similarity(tiny(), second, images, layers=3).values.shape == (3, 3)


class Clock:
    """Time that passes by one second a look."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1.0
        return self.now


def test_little_time_is_shared_by_reading_and_looking(images: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_survey, "READ_BATCH", 4)
    monkeypatch.setattr(channel_survey, "time", Clock())
    found = collect_answers(tiny(), images, "1.2", budget=3.0)
    assert len(found.keys) == 8, "half of three seconds went into reading: two looks at the clock"
    assert found.asked == 16
    assert files() == [], "another time there may be more time"
    assert len(collect_answers(tiny(), images, "1.2", budget=None).keys) == 16


def test_comparing_ends_in_time(images: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "USUAL_MIN_BATCH", 4)
    monkeypatch.setattr(compare, "MAX_BATCH_MACS", 1.0)
    network = tiny()
    found = similarity(network, network, images, layers=3, budget=0.0)
    assert (found.images, found.asked) == (4, 16)
    assert np.isfinite(np.diag(found.values)).all()
    whole = similarity(network, network, images, layers=3, budget=None)
    assert (whole.images, whole.asked) == (16, 16)


def test_the_layer_that_is_least_like_itself() -> None:
    values = np.array([[0.9, 0.1], [0.2, np.nan]])
    names = ("a", "b")
    assert Similarity(names, names, values, 4, 4).least_alike() == ("a", 0.9)
    layer, value = Similarity(names, names, np.full((2, 2), np.nan), 4, 4).least_alike()
    assert (layer, np.isnan(value)) == ("a", True)
