"""What an epoch shows under each sampler: exact numbers, chance that repeats, and nothing invented."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from tiny import CPU, HEAD, experiment, tiny

from core.errors import InputError
from core.specs import SAMPLERS, Loss, Phase, TrainingSpec
from core.training.loop.events import EpochEnd, Started
from core.training.loop.sampling import epoch_order
from core.training.loop.trainer import Trainer


def spec(sampler: str, **more) -> TrainingSpec:
    return TrainingSpec("custom", (Phase("head", "head", 1),), sampler=sampler, **more)


@given(
    sampler=some.sampled_from(SAMPLERS),
    counts=some.lists(some.integers(0, 30), min_size=2, max_size=6).filter(any),
    seed=some.integers(0, 2**32 - 1),
)
def test_an_epoch_is_as_long_as_was_said_and_repeats_with_its_seed(sampler: str, counts: list[int], seed: int) -> None:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    order = epoch_order(sampler, labels, torch.Generator().manual_seed(seed))
    assert len(order) == spec(sampler).drawn(counts)
    assert torch.equal(order, epoch_order(sampler, labels, torch.Generator().manual_seed(seed)))
    shown = labels[order].bincount(minlength=len(counts))
    times = order.bincount(minlength=len(labels))
    present = torch.tensor(counts) > 0
    assert not shown[~present].any()
    if sampler == "shuffle":
        assert (times == 1).all()
    if sampler == "oversample":
        assert (shown[present] == max(counts)).all()
        for label in range(len(counts)):  # each image of a class as often as the others, give or take one
            own = times[labels == label]
            assert not len(own) or int(own.max() - own.min()) <= 1
    if sampler == "undersample":
        assert (shown[present] == min(count for count in counts if count)).all()
        assert int(times.max()) == 1


def test_the_weighted_sampler_shows_a_rare_class_as_often_as_a_frequent_one() -> None:
    labels = torch.tensor([0] * 950 + [1] * 50)
    shown = labels[epoch_order("weighted", labels, torch.Generator().manual_seed(1))].bincount().tolist()
    assert shown[1] == pytest.approx(500, abs=60)  # four standard deviations


def test_epochs_differ_and_a_cap_shows_all_images_in_time() -> None:
    labels, chance = torch.tensor([0] * 30 + [1] * 10), torch.Generator().manual_seed(3)
    epochs = [set(epoch_order("undersample", labels, chance).tolist()) for _ in range(20)]
    assert len({tuple(sorted(epoch)) for epoch in epochs}) == 20
    assert set().union(*epochs) == set(range(40))


def test_class_weights_do_not_count_twice_what_a_sampler_evens_out(material) -> None:
    images = material(images=24)

    def trained(**more) -> list[float]:
        events = Trainer(tiny(), images, experiment(HEAD, sampler="oversample", **more), CPU).run()
        return [event.train_loss for event in events if isinstance(event, EpochEnd)]

    assert trained(loss=Loss(balance="balanced")) == trained()
    with pytest.raises(InputError, match="sampler is dice"):
        spec("dice")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_loop_takes_the_steps_it_announced(sampler: str, material) -> None:
    images = material(images=24)
    task = experiment(HEAD, sampler=sampler)
    trainer = Trainer(tiny(), images, task, CPU)
    events = list(trainer.run())
    started = next(event for event in events if isinstance(event, Started))
    ends = [event for event in events if isinstance(event, EpochEnd)]
    assert trainer.state.step == started.steps == len(ends) * trainer.steps_per_epoch
    counts = images.store.labels[images.train].bincount()
    assert trainer.images_per_epoch in (task.training.drawn(counts.tolist()), len(images.train) - 1)
