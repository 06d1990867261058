"""What a training does where something does not fit: memory, batches of one, losses that are no number; and modes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import CPU, HEAD, PLAN, PREP, block, close, epochs, experiment, plain, run, tiny, weights
from torch import Tensor, nn

from core.errors import InputError, OutOfMemory
from core.models.anatomy.examine import examine
from core.models.network import Network, load_into
from core.specs import FreezePlan, Loss, Mix, Phase
from core.training.checkpoints.checkpoint import Checkpointer
from core.training.features import batch_sources
from core.training.features.backbone_split import BackboneSplit
from core.training.features.batch_sources import Material
from core.training.loop.events import EpochEnd, Event, Finished, Recovered
from core.training.loop.trainer import Trainer
from core.training.optim.losses import Criterion

Make = Callable[..., Material]
ALL = FreezePlan("all")
PLAIN_SGD = Phase("a", "plan", 2, "sgd", lr=0.05, momentum=0.0)


def starving(monkeypatch: pytest.MonkeyPatch, when: Callable[[int, int], bool]) -> list[int]:
    """Lets a forward pass of the loop run out of memory; ``when`` is asked with its number and its images."""
    genuine, sizes = batch_sources.PixelSource.logits, []

    def logits(self: batch_sources.PixelSource, inputs: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            sizes.append(len(inputs))
            if when(len(sizes), len(inputs)):
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return genuine(self, inputs)

    monkeypatch.setattr(batch_sources.PixelSource, "logits", logits)
    return sizes


@pytest.mark.parametrize("moment", [1, 3, 4])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_that_does_not_fit_is_cut_and_the_result_stays(
    material: Make, monkeypatch: pytest.MonkeyPatch, moment: int, accumulate: int
) -> None:
    images, whole, split = material(), plain(), plain()
    task = experiment(PLAIN_SGD, freeze=ALL, batch_size=8, accumulate=accumulate, clip=1.0)
    told = run(whole, images, task)
    sizes = starving(monkeypatch, lambda number, _: number == moment)
    events = run(split, images, task)
    assert [(event.parts, event.images) for event in events if isinstance(event, Recovered)] == [(2, 4)]
    assert max(sizes[moment:]) <= 4
    close(whole, split)
    for one, other in zip(epochs(told), epochs(events), strict=True):
        assert (one.train_loss, one.train_accuracy) == pytest.approx((other.train_loss, other.train_accuracy), rel=1e-4)
    assert events[-1].epochs == 2  # type: ignore[union-attr]


def test_a_batch_is_halved_until_it_fits(material: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = starving(monkeypatch, lambda _, images: images > 1)
    events = run(plain(), material(), experiment(PLAIN_SGD, freeze=ALL, batch_size=8))
    assert [event.images for event in events if isinstance(event, Recovered)] == [4, 2, 1]
    assert set(sizes[3:]) == {1}


def test_a_single_image_that_does_not_fit_is_said(material: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    starving(monkeypatch, lambda *_: True)
    with pytest.raises(OutOfMemory, match="A batch of 1 images at 32 px does not fit"):
        run(plain(), material(), experiment(PLAIN_SGD, freeze=ALL, batch_size=8))


def test_recovery_can_be_refused(material: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    starving(monkeypatch, lambda *_: True)
    with pytest.raises(OutOfMemory, match="A batch of 8 images"):
        run(plain(), material(), experiment(PLAIN_SGD, freeze=ALL, batch_size=8, recover=False))


def test_validation_that_does_not_fit_is_cut_too(material: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    images = material()
    told = run(plain(), images, experiment(PLAIN_SGD, freeze=ALL, batch_size=8))
    genuine, broken = batch_sources.PixelSource.logits, []

    def logits(self: batch_sources.PixelSource, inputs: Tensor) -> Tensor:
        if not torch.is_grad_enabled() and len(inputs) > 3:
            broken.append(len(inputs))
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return genuine(self, inputs)

    monkeypatch.setattr(batch_sources.PixelSource, "logits", logits)
    events = run(plain(), images, experiment(PLAIN_SGD, freeze=ALL, batch_size=8))
    assert broken
    assert any(isinstance(event, Recovered) for event in events)
    for one, other in zip(epochs(told), epochs(events), strict=True):
        assert (one.val_loss, one.val_accuracy) == pytest.approx((other.val_loss, other.val_accuracy), rel=1e-4)


def test_features_that_do_not_fit_are_computed_in_smaller_batches(
    material: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = material()
    task = experiment(PLAIN_SGD, freeze=FreezePlan(), batch_size=8)
    told = run(plain(), images, task)
    genuine, sizes = batch_sources.extract, []

    def extract(source: batch_sources.PixelSource, split: BackboneSplit, inputs: Tensor) -> Tensor:
        if len(inputs) > 1:  # a single image only tells what features look like
            sizes.append(len(inputs))
        if len(inputs) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return genuine(source, split, inputs)

    monkeypatch.setattr(batch_sources, "extract", extract)
    events = run(plain(), material(name="others"), task)
    assert [event.images for event in events if isinstance(event, Recovered)] == [4, 2]
    assert sizes[:2] == [8, 4]
    assert set(sizes[2:]) == {2}
    for one, other in zip(epochs(told), epochs(events), strict=True):
        assert (one.train_loss, one.val_loss) == pytest.approx((other.train_loss, other.val_loss), rel=1e-4)


def shrinking() -> Network:
    """A network whose last normalisation sees a map of one pixel."""
    torch.manual_seed(0)
    stages = [block(3, 4), block(4, 8), block(8, 8), block(8, 8), block(8, 8)]
    last = nn.Sequential(nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
    model = nn.Sequential(*stages, last, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    anatomy = examine(model, num_classes=2, image_size=PREP.crop)
    return Network(model.eval(), anatomy, PREP, ("blue", "red"), "shrinking")


def test_a_batch_of_one_where_nothing_can_be_normalised_is_a_sentence(material: Make) -> None:
    with pytest.raises(InputError, match=r"normalisation layer.*batch of at least 2"):
        run(shrinking(), material(), experiment(PLAN, freeze=ALL, batch_size=1))


def test_a_batch_of_one_trains_where_it_can(material: Make) -> None:
    for network, plan in ((tiny(), ALL), (plain(), ALL), (shrinking(), FreezePlan())):
        events = run(network, material(name=network.name), experiment(PLAN, freeze=plan, batch_size=1))
        assert events[-1].epochs == 2  # type: ignore[union-attr]


def test_a_group_is_not_cut_into_single_images_that_cannot_be_normalised(material: Make) -> None:
    # 18 images in groups of 2 x 8 leave 2; in groups of 2 x 3 a rest of 3 would be 2 and 1
    for batch, accumulate in ((2, 8), (2, 3), (2, 5), (3, 3)):
        events = run(
            shrinking(),
            material(name=f"{batch}-{accumulate}"),
            experiment(PLAN, freeze=ALL, batch_size=batch, accumulate=accumulate),
        )
        assert events[-1].epochs == 2  # type: ignore[union-attr]


def later_none(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Makes the training's loss no number after some steps."""
    genuine, calls = Criterion.__call__, iter(range(10_000))

    def loss(self: Criterion, logits: Tensor, targets: Tensor) -> Tensor:
        found = genuine(self, logits, targets)
        return found * math.nan if torch.is_grad_enabled() and next(calls) >= steps else found

    monkeypatch.setattr(Criterion, "__call__", loss)


def test_a_loss_that_is_no_number_ends_the_run_with_a_sentence(material: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    later_none(monkeypatch, 7)  # five steps an epoch
    with pytest.raises(InputError, match=r"In epoch 2 the loss was not a number.*try 5\."):
        run(plain(), material(), experiment(Phase("a", "plan", 30, "sgd", lr=50.0), freeze=ALL))


def test_the_best_weights_outlive_a_loss_that_is_no_number(
    material: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later_none(monkeypatch, 12)
    trainer = Trainer(plain(), material(), experiment(Phase("a", "plan", 9, lr=0.01), freeze=ALL), CPU)
    keeper = Checkpointer(trainer, tmp_path)

    def train() -> None:
        for event in trainer.run():
            if isinstance(event, EpochEnd):
                keeper.epoch_end(improved=event.improved)

    with pytest.raises(InputError, match="loss was not a number"):
        train()
    keeper.settle()
    kept = plain()
    load_into(kept.model, tmp_path / "best.safetensors")
    assert all(torch.isfinite(value).all() for value in kept.model.state_dict().values())


@pytest.mark.parametrize("missing", ["train", "val"])
def test_a_class_may_miss_in_one_split(material: Make, missing: str) -> None:
    images = material()
    left = {name: getattr(images, name) for name in ("train", "val")}
    left[missing] = left[missing][images.store.labels[left[missing]] == 0]
    events = run(tiny(), Material(images.store, **left), experiment(HEAD, loss=Loss(balance="balanced"), best="val_f1"))
    for event in epochs(events):
        values = dataclasses.asdict(event)
        assert all(math.isfinite(value) for value in values.values() if isinstance(value, float))


def test_deterministic_mode_is_on_for_the_training_alone(material: Make) -> None:
    assert not torch.are_deterministic_algorithms_enabled()
    images, seen, first, second = material(), [], tiny(), tiny()
    for _ in watched(Trainer(first, images, experiment(PLAN, freeze=ALL, deterministic=True), CPU), seen):
        pass
    assert seen
    assert all(seen)
    assert not torch.are_deterministic_algorithms_enabled()
    run(second, images, experiment(PLAN, freeze=ALL, deterministic=True))
    assert all(torch.equal(a, b) for a, b in zip(weights(first).values(), weights(second).values(), strict=True))


def watched(trainer: Trainer, seen: list[bool]) -> Iterator[Event]:
    for event in trainer.run():
        if not isinstance(event, Finished):
            seen.append(torch.are_deterministic_algorithms_enabled())
        yield event


def test_a_run_that_is_broken_off_leaves_no_mode_behind(material: Make) -> None:
    events = Trainer(tiny(), material(), experiment(HEAD, deterministic=True), CPU).run()
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_loop_draws_nothing_from_numpys_global_chance(material: Make) -> None:
    np.random.seed(0)
    before = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    run(tiny(), material(), experiment(HEAD, mix=Mix(mixup=0.5)))
    assert (before == np.random.get_state()[1]).all()  # type: ignore[index]
