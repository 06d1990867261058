"""The training images nearest to some pictures: by the cosine of what enters the head, kept, and with their classes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from core.data.images import fit, to_tensor
from core.errors import InputError
from core.interpret.probe import Probe
from core.models.heads import head_input
from core.models.network import Network, assemble
from core.runs.recorder import Recorder
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, HeadSpec, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.data_check import features
from core.workflows.images import reopen
from core.workflows.inspection.nearest import nearest_training_images

MODELS = {
    "plain": ModelSpec("shufflenet_v2_x0_5", "none", image_size=64),
    "conv head": ModelSpec("squeezenet1_1", "none", image_size=64),
    "tokens": ModelSpec("vit_b_16", "none", image_size=32),
    "one output": ModelSpec("cats_and_dogs_small_2", "none"),
}


@pytest.fixture
def made(image_folder: Callable[..., Path]) -> Callable[..., tuple[Run, Network]]:
    """Makes a run that was never trained, and its network."""

    def make(model: ModelSpec = MODELS["plain"], source: str = "") -> tuple[Run, Network]:
        from core.data.sources import open_dataset
        from core.data.splits import split

        data = DataSpec(source or str(image_folder()), val_share=0.25, test_share=0.25)
        recipe = make_recipe("linear-probe", weights="none")
        run = RunStore().create(Experiment(data, model, TrainingSpec("linear-probe", recipe.phases, device="cpu")))
        dataset = split(open_dataset(data.source), data)
        recorder = Recorder(run)
        recorder.classes(dataset.classes)
        recorder.split((item.key, dataset.classes[item.label], item.split) for item in dataset.items)
        network = assemble(model, dataset.classes, seed=0)
        return run, network

    return make


def by_hand(network: Network, image: Image.Image) -> np.ndarray:
    """Returns what enters the head for one picture, of length 1: maps are averaged."""
    with Probe(network) as probe:
        entered = head_input(probe.model, network.anatomy, to_tensor(image, network.preprocessing)).double()
    entered = entered.mean((2, 3)) if entered.ndim == 4 else entered.flatten(1)
    return F.normalize(entered)[0].numpy()


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_they_are_those_of_the_largest_cosine_with_their_own_class(made, model: ModelSpec) -> None:
    run, network = made(model)
    dataset = reopen(run)
    train = dataset.positions("train")
    asked = [dataset.load(place) for place in dataset.positions("test")]
    wanted = np.stack([by_hand(network, dataset.load(place)) for place in train])
    found = nearest_training_images(run, network, asked, count=4)
    assert (found.looked_at, found.of) == (len(train), len(train))
    for image, near in zip(asked, found.neighbours, strict=True):
        cosines = wanted @ by_hand(network, image)
        assert [one.cosine for one in near] == pytest.approx(sorted(cosines, reverse=True)[:4], abs=1e-4)
        for one in near:
            place = next(place for place in train if dataset.items[place].key == one.key)
            assert one.label == dataset.class_of(place) == Path(one.key).parts[0]
            assert one.cosine == pytest.approx(cosines[train.index(place)], abs=1e-4)


def test_a_copy_of_a_training_image_has_it_as_its_nearest(made) -> None:
    run, network = made()
    dataset = reopen(run)
    place = dataset.positions("train")[5]
    picture = dataset.load(place)
    for images, fitted in (([picture], False), ([fit(picture, network.preprocessing)], True)):
        ((first, second, third),) = nearest_training_images(run, network, images, fitted=fitted).neighbours
        assert first.key == dataset.items[place].key
        assert first.cosine == pytest.approx(1.0, abs=1e-5)
        assert first.cosine > second.cosine >= third.cosine


def test_all_nearest_of_one_class_are_said_to_agree(made) -> None:
    run, network = made()
    dataset = reopen(run)
    found = nearest_training_images(run, network, [dataset.load(place) for place in dataset.positions("train")[:6]])
    for place, near in enumerate(found.neighbours):
        classes = {one.label for one in near}
        assert found.agreed(place) == (classes.pop() if len(classes) == 1 else None)


def test_features_are_computed_once_for_weights_and_files_as_they_are(made, monkeypatch) -> None:
    run, network = made()
    dataset = reopen(run)
    picture = [dataset.load(0)]
    seen: list[int] = []
    real = features.Eye.look_at
    monkeypatch.setattr(features.Eye, "look_at", lambda self, images: seen.append(len(images)) or real(self, images))
    steps: list[tuple[int, int]] = []
    before = nearest_training_images(run, network, picture, progress=lambda *step: steps.append(step))
    train = dataset.positions("train")
    assert sum(seen) == len(train) + 1
    assert steps[-1] == (len(train), len(train))
    seen.clear()
    assert nearest_training_images(run, network, picture) == before
    assert sum(seen) == 1, "only the picture itself"
    seen.clear()
    with torch.no_grad():
        next(network.model.parameters()).mul_(1.5)
    nearest_training_images(run, network, picture)
    assert sum(seen) == len(train) + 1, "other weights"
    seen.clear()
    path = dataset.path(train[0])
    assert path is not None
    Image.new("RGB", (48, 48), "white").save(path)
    nearest_training_images(run, network, picture)
    assert sum(seen) == len(train) + 1, "another file"


def test_of_many_training_images_some_are_drawn_the_same_each_time(made) -> None:
    run, network = made()
    picture = [reopen(run).load(0)]
    found = nearest_training_images(run, network, picture, most=5, count=9)
    assert (found.looked_at, len(found.neighbours[0])) == (5, 5)
    assert found.of > 5
    assert nearest_training_images(run, network, picture, most=5, count=9) == found


def test_the_network_is_left_as_it_was(made) -> None:
    run, network = made()
    network.model.train()
    nearest_training_images(run, network, [reopen(run).load(0)])
    assert network.model.training
    assert all(parameter.requires_grad for parameter in network.model.parameters())
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in network.model.modules())


def test_images_that_have_gone_and_what_cannot_be_asked(made) -> None:
    run, network = made()
    dataset = reopen(run)
    picture = [dataset.load(dataset.positions("test")[0])]
    with pytest.raises(InputError, match="Ask for 1 or more"):
        nearest_training_images(run, network, picture, count=0)
    gone = dataset.path(dataset.positions("train")[0])
    assert gone is not None
    gone.unlink()
    found = nearest_training_images(run, network, picture)
    assert found.looked_at == len(dataset.positions("train")) - 1
    with torch.no_grad():
        next(network.model.parameters()).fill_(float("nan"))
    with pytest.raises(InputError, match="no numbers"):
        nearest_training_images(run, network, picture)
    shutil.rmtree(Path(run.experiment.data.source))
    with pytest.raises(InputError):
        nearest_training_images(run, network, picture)


def test_images_of_a_packaged_set_have_neighbours_too(made) -> None:
    run, network = made(MODELS["plain"], "shapes")
    dataset = reopen(run)
    place = dataset.positions("train")[0]
    ((first, *_rest),) = nearest_training_images(run, network, [dataset.load(place)], most=40).neighbours
    assert first.label in dataset.classes


def test_a_head_of_two_layers_is_looked_at_where_it_begins(made) -> None:
    run, network = made(ModelSpec("shufflenet_v2_x0_5", "none", image_size=64, head=HeadSpec(hidden=(8,))))
    dataset = reopen(run)
    picture = dataset.load(dataset.positions("test")[0])
    (near,) = nearest_training_images(run, network, [picture]).neighbours
    place = next(place for place, item in enumerate(dataset.items) if item.key == near[0].key)
    cosine = float(by_hand(network, dataset.load(place)) @ by_hand(network, picture))
    assert near[0].cosine == pytest.approx(cosine, abs=1e-4)
