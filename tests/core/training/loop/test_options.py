"""What a training can be asked for beside its phases: each option does what it says."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import CPU, HEAD, PLAN, PREP, block, experiment, tiny
from torch import Tensor, nn

from core.errors import InputError, OutOfMemory
from core.models.anatomy.examine import examine
from core.models.network import Network, load_into
from core.specs import EarlyStopping, Experiment, FreezePlan, Loss, Mix, Phase, Schedule
from core.training.checkpoints.checkpoint import Checkpointer
from core.training.features import batch_sources
from core.training.features.backbone_split import Cut
from core.training.features.batch_sources import Material
from core.training.loop import trainer as engine
from core.training.loop.events import EpochEnd, Event, Finished, Recovered
from core.training.loop.trainer import Trainer

Make = Callable[..., Material]
ALL = FreezePlan("all")
PLAIN_SGD = Phase("a", "plan", 2, "sgd", lr=0.05, momentum=0.0)


def plain() -> Network:
    """A network without normalisation, in which each image is alone."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 5, stride=2),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 2),
    )
    anatomy = examine(model, num_classes=2, image_size=PREP.crop)
    return Network(model.eval(), anatomy, PREP, ("blue", "red"), "plain")


def run(network: Network, material: Material, task: Experiment) -> list[Event]:
    return list(Trainer(network, material, task, CPU).run())


def weights(network: Network) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.model.state_dict().items()}


def epochs(events: list[Event]) -> list[EpochEnd]:
    return [event for event in events if isinstance(event, EpochEnd)]


def close(one: Network, other: Network, **tolerance: float) -> None:
    for (name, value), theirs in zip(one.model.state_dict().items(), other.model.state_dict().values(), strict=True):
        torch.testing.assert_close(value, theirs, msg=name, **(tolerance or {"rtol": 1e-4, "atol": 1e-6}))


# ---------------------------------------------------------------- accumulation, clipping, averages, mixing


@pytest.mark.parametrize("options", [{}, {"clip": 0.05}, {"ema": 0.5}, {"loss": Loss(balance="balanced")}])
def test_two_batches_of_four_make_the_step_of_one_of_eight(material: Make, options: dict[str, object]) -> None:
    images, whole, parts = material(), plain(), plain()
    told = run(whole, images, experiment(PLAIN_SGD, freeze=ALL, batch_size=8, **options))
    again = run(parts, images, experiment(PLAIN_SGD, freeze=ALL, batch_size=4, accumulate=2, **options))
    close(whole, parts)
    for one, other in zip(epochs(told), epochs(again), strict=True):
        assert (one.train_loss, one.val_loss) == pytest.approx((other.train_loss, other.val_loss), rel=1e-4)
    assert not torch.equal(whole.model[0].weight, plain().model[0].weight)


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_what_is_left_over_counts_as_much_as_its_images(material: Make, batch: int) -> None:
    images, whole, parts = material(), plain(), plain()
    run(whole, images, experiment(PLAIN_SGD, freeze=ALL, batch_size=5 * batch))
    run(parts, images, experiment(PLAIN_SGD, freeze=ALL, batch_size=batch, accumulate=5))
    close(whole, parts)


def test_clipping_bounds_the_step(material: Make) -> None:
    lengths, images = [], material(images=4)
    for clip in (None, 0.01):
        network = plain()
        before = weights(network)
        phase = Phase("a", "plan", 1, "sgd", lr=0.5, momentum=0.0)
        run(network, images, experiment(phase, freeze=ALL, batch_size=32, clip=clip))
        moved = [(value - before[name]).flatten() for name, value in network.model.state_dict().items()]
        lengths.append(torch.cat(moved).norm().item())
    assert lengths[1] == pytest.approx(0.5 * 0.01, rel=1e-3)
    assert lengths[0] > 2 * lengths[1]


def judged_by_hand(network: Network, material: Material) -> float:
    """Returns the mean validation loss of the network's weights as they are."""
    with torch.no_grad():
        network.model.eval()
        images = torch.stack([material.store.batch([int(place)])[0] for place in material.val])
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (PREP.mean, PREP.std))
        logits = network.model((images.float() / 255 - mean) / std)
        return nn.functional.cross_entropy(logits, material.store.labels[material.val]).item()


def test_the_average_is_what_is_judged_and_kept(material: Make, tmp_path: Path) -> None:
    images, network = material(), plain()
    phase = Phase("a", "plan", 4, lr=0.02)
    trainer = Trainer(network, images, experiment(phase, freeze=ALL, ema=0.95, best="val_loss"), CPU)
    keeper, told, best = Checkpointer(trainer, tmp_path), [], {}
    for event in trainer.run():
        if not isinstance(event, EpochEnd):
            continue
        with trainer.average_applied():
            averaged, average = judged_by_hand(network, images), weights(network)
        told.append((event.val_loss, averaged, judged_by_hand(network, images)))
        keeper.epoch_end(improved=event.improved)
        best = average if event.improved else best
    keeper.save()
    assert [said for said, _, _ in told] == pytest.approx([averaged for _, averaged, _ in told], rel=1e-5)
    assert any(abs(said - live) > 1e-3 for said, _, live in told)
    kept = plain()
    load_into(kept.model, tmp_path / "best.safetensors")
    assert all(torch.equal(value, best[name]) for name, value in kept.model.state_dict().items())
    load_into(kept.model, tmp_path / "last.safetensors")
    assert not torch.equal(kept.model[0].weight, average["0.weight"])


@pytest.mark.parametrize("mix", [Mix(mixup=0.3), Mix(cutmix=1.0), Mix(mixup=0.3, cutmix=1.0)])
@pytest.mark.parametrize("plan", [ALL, FreezePlan()])
def test_mixtures_are_learned_from(material: Make, mix: Mix, plan: FreezePlan) -> None:
    network = tiny()
    phase = Phase("a", "plan", 12, lr=0.02)
    events = run(network, material(), experiment(phase, freeze=plan, mix=mix))
    losses = [event.val_loss for event in epochs(events)]
    assert losses[-1] < losses[0]
    plainly = tiny()
    run(plainly, material(name="more"), experiment(phase, freeze=plan))
    assert not torch.equal(network.model[5].weight, plainly.model[5].weight)


@pytest.mark.parametrize("loss", [Loss("focal"), Loss("l1"), Loss("mse-mean"), Loss(smoothing=0.2, balance="balanced")])
def test_every_loss_learns_in_the_loop(material: Make, loss: Loss) -> None:
    events = run(tiny(), material(), experiment(Phase("a", "plan", 12, lr=0.01), freeze=ALL, loss=loss))
    assert epochs(events)[-1].val_accuracy == 1.0


def test_a_correlation_of_two_classes_is_refused_before_the_first_step(material: Make) -> None:
    with pytest.raises(InputError, match="at least 3 classes"):
        Trainer(tiny(), material(), experiment(HEAD, loss=Loss("correlation")), CPU)


# ---------------------------------------------------------------- early stopping, best, plateau


@pytest.mark.parametrize("patience", [1, 3])
def test_early_stopping_ends_a_phase_and_says_so(material: Make, patience: int) -> None:
    still = Phase("still", "head", 30, "sgd", lr=1e-9)
    events = run(
        tiny(), material(), experiment(still, PLAN, freeze=FreezePlan(1), early=EarlyStopping(patience=patience))
    )
    end = events[-1]
    assert isinstance(end, Finished)
    assert end.early[0] == "still"
    assert not end.stopped
    assert sum(event.phase == "still" for event in epochs(events)) <= 2 * patience + 1
    assert [event.phase for event in epochs(events)].count("fine-tune") >= 1


def test_early_stopping_counts_as_it_should(material: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    accuracies = iter([0.5, 0.6, 0.61, 0.605, 0.7, 0.7, 0.7, 0.7, 0.7])
    genuine = engine.Judgement.result
    monkeypatch.setattr(engine.Judgement, "result", lambda self: {**genuine(self), "val_accuracy": next(accuracies)})
    early = EarlyStopping("val_accuracy", patience=3, minimum=0.05)
    events = run(tiny(), material(), experiment(Phase("a", "head", 9, lr=0.01), early=early))
    # 0.61 and 0.605 are no improvement by 0.05 upon 0.6; 0.7 is one; three more epochs are borne
    assert [event.val_accuracy for event in epochs(events)] == [0.5, 0.6, 0.61, 0.605, 0.7, 0.7, 0.7, 0.7]
    assert events[-1].early == ("a",)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("best", "wanted"), [("val_loss", 4), ("val_accuracy", 2), ("val_f1", 3), ("val_balanced_accuracy", 1)]
)
def test_best_by_any_metric(material: Make, monkeypatch: pytest.MonkeyPatch, best: str, wanted: int) -> None:
    rows = iter(
        {"val_loss": loss, "val_accuracy": accuracy, "val_f1": f1, "val_balanced_accuracy": balanced}
        for loss, accuracy, f1, balanced in [
            (0.9, 0.5, 0.3, 0.8),
            (0.8, 0.9, 0.4, 0.7),
            (0.7, 0.8, 0.9, 0.6),
            (0.2, 0.9, 0.5, 0.5),
            (0.3, 0.4, 0.4, 0.4),
        ]
    )
    monkeypatch.setattr(engine.Judgement, "result", lambda _: next(rows))
    events = run(tiny(), material(), experiment(Phase("a", "head", 5), best=best))
    wanted = 4 if best == "val_accuracy" else wanted  # two epochs tie at 0.9; the lower loss decides
    assert events[-1].best_epoch == wanted  # type: ignore[union-attr]
    assert [event.improved for event in epochs(events)][wanted - 1]


def test_a_plateau_lowers_the_rate_while_it_runs(material: Make) -> None:
    schedule = Schedule("plateau", gamma=0.5, patience=0, metric="train_accuracy")
    phase = Phase("a", "head", 6, "sgd", lr=1e-9, schedule=schedule)
    rates = [event.lr for event in epochs(run(tiny(), material(), experiment(phase)))]
    assert rates[0] == 1e-9
    assert rates[-1] < 0.1 * rates[0]


# ---------------------------------------------------------------- memory, batches of one, numbers that are none


def starving(monkeypatch: pytest.MonkeyPatch, when: Callable[[int, int], bool]) -> list[int]:
    """Lets a forward pass of the loop run out of memory; ``when`` is asked with its number and its images."""
    genuine, sizes = batch_sources.PixelFeed.logits, []

    def logits(self: batch_sources.PixelFeed, inputs: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            sizes.append(len(inputs))
            if when(len(sizes), len(inputs)):
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return genuine(self, inputs)

    monkeypatch.setattr(batch_sources.PixelFeed, "logits", logits)
    return sizes


@pytest.mark.parametrize("moment", [1, 3, 4])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_that_does_not_fit_is_cut_and_the_result_stays(
    material: Make, monkeypatch: pytest.MonkeyPatch, moment: int, accumulate: int
) -> None:
    images, whole, cut = material(), plain(), plain()
    task = experiment(PLAIN_SGD, freeze=ALL, batch_size=8, accumulate=accumulate, clip=1.0)
    told = run(whole, images, task)
    sizes = starving(monkeypatch, lambda number, _: number == moment)
    events = run(cut, images, task)
    assert [(event.parts, event.images) for event in events if isinstance(event, Recovered)] == [(2, 4)]
    assert max(sizes[moment:]) <= 4
    close(whole, cut)
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
    genuine, broken = batch_sources.PixelFeed.logits, []

    def logits(self: batch_sources.PixelFeed, inputs: Tensor) -> Tensor:
        if not torch.is_grad_enabled() and len(inputs) > 3:
            broken.append(len(inputs))
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return genuine(self, inputs)

    monkeypatch.setattr(batch_sources.PixelFeed, "logits", logits)
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

    def extract(feed: batch_sources.PixelFeed, cut: Cut, inputs: Tensor) -> Tensor:
        if len(inputs) > 1:  # a single image only tells what features look like
            sizes.append(len(inputs))
        if len(inputs) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return genuine(feed, cut, inputs)

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
    genuine, calls = engine.Criterion.__call__, iter(range(10_000))

    def loss(self: engine.Criterion, logits: Tensor, targets: Tensor) -> Tensor:
        found = genuine(self, logits, targets)
        return found * math.nan if torch.is_grad_enabled() and next(calls) >= steps else found

    monkeypatch.setattr(engine.Criterion, "__call__", loss)


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
