"""Estimates: what autograd keeps, counted by hand; and steps put together from the times of calls."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise

import pytest
import torch
from torch import nn

from core.errors import InputError
from core.models.anatomy.examine import examine
from core.models.network import Network
from core.specs import (
    AugmentSpec,
    DataSpec,
    Experiment,
    FreezePlan,
    HeadSpec,
    ModelSpec,
    Phase,
    Preprocessing,
    TrainingSpec,
)
from core.training.estimate.estimate import MEASURED, UNKNOWN, Counts, estimate
from core.training.estimate.step_memory import Memory, Rehearsal, memory_of
from core.training.estimate.step_time import Linear, Machine, Profile

SMALL = ModelSpec("mnist_cnn", "none")
SLACK = 64
"""Bytes for single numbers, such as the loss."""


def tiny(*layers: nn.Module, size: int = 8) -> Rehearsal:
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    anatomy = examine(model, num_classes=2, image_size=size)
    return Rehearsal(Network(model.eval(), anatomy, Preprocessing(size, size), ("a", "b"), "tiny"))


def one_conv() -> Rehearsal:
    return tiny(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.ReLU())


IMAGES, MAPS, FEATURES, LOGITS, LABELS = 4 * 3 * 64, 4 * 4 * 64, 4 * 4, 4 * 2, 8
"""Bytes of each for one image."""


def test_what_a_whole_step_keeps_is_what_one_counts_by_hand() -> None:
    found = one_conv().memory(FreezePlan("all"), 10)
    weights = 4 * (3 * 4 * 9 + 4 * 2 + 2)
    assert found.parameters == found.gradients == weights
    assert found.optimizer == 2 * weights
    kept = IMAGES + MAPS + FEATURES + 2 * LOGITS + LABELS  # ReLU keeps its output, the convolution its input
    assert found.activations == pytest.approx(10 * kept, abs=SLACK)


def test_a_linear_probe_keeps_no_maps() -> None:
    found = one_conv().memory(FreezePlan(), 10)
    assert found.gradients == 4 * (4 * 2 + 2)
    assert found.activations == pytest.approx(10 * (IMAGES + FEATURES + 2 * LOGITS + LABELS), abs=SLACK)
    assert 10 * MAPS <= found.workspace <= 20 * MAPS + SLACK  # while the frozen layers run


def test_the_part_before_what_learns_keeps_nothing() -> None:
    def block(width: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(width, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))

    network = tiny(block(3), block(4), size=16)
    last, everything = (network.memory(FreezePlan(count), 10) for count in (1, "all"))  # type: ignore[arg-type]
    first = 10 * 4 * 4 * 16 * 16  # the first block's maps, before its pool
    places = 10 * 8 * 4 * 8 * 8  # where its pool found the largest values, in 8 bytes each
    assert everything.activations - last.activations == pytest.approx(first + places, abs=SLACK)


def test_half_the_bytes_in_bfloat16() -> None:
    network = one_conv()
    full, half = (network.memory(FreezePlan("all"), 50, precision=name) for name in ("fp32", "bf16"))
    saved = 50 * (MAPS + FEATURES - IMAGES) / 2  # the images are there in both formats, and so are the weights
    assert full.activations - half.activations == pytest.approx(saved - full.parameters / 2, abs=SLACK)
    assert half.parameters == full.parameters


@pytest.mark.parametrize(("optimizer", "momentum", "copies"), [("adamw", 0.9, 2), ("sgd", 0.9, 1), ("sgd", 0.0, 0)])
def test_what_optimizers_remember(optimizer: str, momentum: float, copies: int) -> None:
    found = one_conv().memory(FreezePlan("all"), 2, optimizer=optimizer, momentum=momentum)
    assert found.optimizer == copies * found.gradients


def test_optimizers_remember_what_is_estimated() -> None:
    names = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop}
    for name, make in names.items():
        value = nn.Parameter(torch.zeros(1000))
        value.grad = torch.ones(1000)
        options = {"momentum": 0.9} if name == "rmsprop" else {}
        optimizer = make([value], lr=0.1, **options)
        optimizer.step()
        kept = sum(v.numel() for v in optimizer.state[value].values() if v.numel() > 1)
        told = one_conv().memory(FreezePlan("all"), 2, optimizer=name)
        assert kept / 1000 == told.optimizer / told.gradients, name


def test_more_that_learns_and_larger_batches_need_more() -> None:
    plans = [memory_of(SMALL, 10, FreezePlan(count), 16) for count in (0, 1, "all")]  # type: ignore[arg-type]
    batches = [memory_of(SMALL, 10, FreezePlan("all"), batch) for batch in (4, 16, 64)]
    for few, many in [*pairwise(plans), *pairwise(batches)]:
        assert few.total < many.total


def test_a_rehearsal_leaves_the_network_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    network = Network(model, examine(model, num_classes=2, image_size=8), Preprocessing(8, 8), ("a", "b"), "tiny")
    chance = torch.get_rng_state()
    Rehearsal(network).memory(FreezePlan("all"), 4)
    assert not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(chance, torch.get_rng_state())


# --- time -----------------------------------------------------------------------------------------------------------

UNIT = {"frozen": 1.0, "learning": 2.0, "backward_all": 10.0, "backward_through": 4.0}
"""Seconds of each call, times its place: layer 1 costs 1, layer 2 ten times that, layer 3 a hundred times."""


def three_layers() -> Network:
    def block(width: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(width, 4, 3, padding=1), nn.MaxPool2d(2))

    model = nn.Sequential(block(3), block(4), block(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    anatomy = examine(model, num_classes=2, image_size=32)
    return Network(model.eval(), anatomy, Preprocessing(32, 32), ("a", "b"), "tiny")


def profile(calls: tuple[str, ...], kinds: tuple[str, ...] | None = None, **changes: object) -> Profile:
    lines = {
        kind: tuple(Linear(0.0, seconds * 10.0**place) for place in range(len(calls))) for kind, seconds in UNIT.items()
    }
    found = Profile(
        device="test",
        calls=calls,
        kinds=kinds or ("Conv2d",) * len(calls),
        seconds={"fp32": lines},
        prepare=Linear(0.0, 0.0),
        augment={"mild": Linear(0.5, 0.0), "full": Linear(0.7, 0.0)},
        decode=0.001,
        separable=True,
        machine=Machine({"adamw": Linear(0.0, 0.0), "sgd": Linear(1.0, 0.0)}, 0.0, 0.0, 0.0),
        measured=0.0,
    )
    return dataclasses.replace(found, **changes)  # type: ignore[arg-type]


CALLS = ("0.0", "1.0", "2.0")


@pytest.mark.parametrize(
    ("plan", "seconds"),
    [
        (FreezePlan(0), 111),
        (FreezePlan(1), 11 + 200 + 600),  # of the last layer the weights' gradient alone
        (FreezePlan(2), 1 + 20 + 60 + 200 + 1000),
        (FreezePlan("all"), 2 + 6 + 20 + 100 + 200 + 1000),
        (FreezePlan(0, thaw=("1",)), 1 + 20 + 60 + 200 + 400),  # gradients pass through the frozen last layer
        (FreezePlan("all", learns="norm-bias"), 2 + 4 + 20 + 40 + 200 + 400),  # biases cost next to nothing
    ],
)
def test_a_step_costs_the_gradients_that_its_plan_needs(plan: FreezePlan, seconds: float) -> None:
    anatomy = three_layers().anatomy
    assert profile(CALLS).step(anatomy, plan, "fp32", 1) == pytest.approx(seconds)
    assert profile(CALLS).step(anatomy, plan, "fp32", 8) == pytest.approx(8 * seconds)


def test_the_precision_is_the_one_that_the_loop_would_choose() -> None:
    anatomy, known = three_layers().anatomy, profile(CALLS)

    def scaled(factor: float) -> Profile:
        times = {
            kind: tuple(Linear(line.fixed * factor, line.each * factor) for line in lines)
            for kind, lines in known.seconds["fp32"].items()
        }
        return dataclasses.replace(known, seconds={**known.seconds, "bf16": times})

    assert scaled(0.7).precision(anatomy, FreezePlan("all"), "auto", 8) == "bf16"
    assert scaled(0.8).precision(anatomy, FreezePlan("all"), "auto", 8) == "fp32"
    assert scaled(0.1).precision(anatomy, FreezePlan("all"), "fp32", 8) == "fp32"


def test_a_profile_goes_to_json_and_back() -> None:
    known = profile(CALLS)
    assert Profile.from_dict(json.loads(json.dumps(known.to_dict()))) == known


def experiment(preset_phases: tuple[Phase, ...], freeze: FreezePlan, **changes: object) -> Experiment:
    made = Experiment(
        DataSpec("any"), SMALL, TrainingSpec("full", preset_phases, batch_size=8, device="cpu"), freeze=freeze
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


PHASE = Phase("train", "plan", 3)
HEAD = Phase("head", "head", 5)


def small_profile(**changes: object) -> Profile:
    anatomy = estimate_anatomy()
    leaves = [layer for layer in anatomy.layers if layer.leaf]
    lines = {kind: tuple(Linear(0.0, 0.01 * cost) for _ in leaves) for kind, cost in UNIT.items()}
    return profile(
        tuple(layer.name for layer in leaves),
        tuple(layer.kind for layer in leaves),
        **{"seconds": {"fp32": lines}, **changes},
    )


def estimate_anatomy():  # type: ignore[no-untyped-def]
    from core.training.estimate.step_memory import rehearsal_of

    return rehearsal_of(SMALL, 10).anatomy


def test_without_a_measurement_there_is_memory_but_no_time() -> None:
    told = estimate(experiment((PHASE,), FreezePlan("all")), 10, Counts(40, 8))
    assert told.source == UNKNOWN
    assert told.memory.total > 0
    assert told.seconds is None
    assert told.epoch_seconds is None


def test_seconds_add_up() -> None:
    told = estimate(experiment((HEAD, PHASE), FreezePlan("all")), 10, Counts(40, 8, 8), profile=small_profile())
    assert told.source == MEASURED
    head, whole = told.phases
    assert head.cached
    assert not whole.cached
    assert head.step_seconds is not None
    assert whole.step_seconds is not None
    assert head.step_seconds < whole.step_seconds
    assert whole.seconds == pytest.approx((whole.once_seconds or 0) + 3 * (whole.epoch_seconds or 0))
    parts = (head.seconds, whole.seconds, told.reading_seconds, told.judging_seconds)
    assert told.seconds == pytest.approx(sum(part or 0.0 for part in parts))
    assert told.memory == whole.memory
    assert told.memory.images == 3 * 28 * 28 * 56


def test_an_epoch_is_its_steps_and_its_validation() -> None:
    known = small_profile()
    few, more = (
        estimate(experiment((PHASE,), FreezePlan("all")), 10, Counts(train, 8), profile=known).phases[0]
        for train in (40, 80)
    )
    assert (more.epoch_seconds or 0) - (few.epoch_seconds or 0) == pytest.approx(5 * (few.step_seconds or 0))
    # a last batch of one image is left out, as in the loop
    odd = estimate(experiment((PHASE,), FreezePlan("all")), 10, Counts(41, 8), profile=known).phases[0]
    assert odd.epoch_seconds == pytest.approx(few.epoch_seconds)


def test_more_that_learns_takes_longer() -> None:
    known = small_profile()
    times = [
        estimate(experiment((PHASE,), FreezePlan(count)), 10, Counts(40, 8), profile=known).seconds or 0.0
        for count in (0, 1, "all")  # type: ignore[arg-type]
    ]
    assert times[0] < times[1] < times[2]


def test_augmented_images_pass_the_frozen_part_in_every_epoch() -> None:
    known = small_profile()
    plain = estimate(experiment((HEAD,), FreezePlan()), 10, Counts(40, 8), profile=known).phases[0]
    changed = estimate(
        experiment((HEAD,), FreezePlan(), augment=AugmentSpec(flip=True)), 10, Counts(40, 8), profile=known
    ).phases[0]
    assert plain.cached
    assert not changed.cached
    assert (changed.epoch_seconds or 0) > 10 * (plain.epoch_seconds or 0)
    assert changed.memory.features < plain.memory.features


def test_a_step_on_features_of_a_stage_costs_what_comes_after_it() -> None:
    known, anatomy, plan = profile(CALLS), three_layers().anatomy, FreezePlan(1)
    assert known.before(anatomy, plan, "fp32", 2) == pytest.approx(2 * 11)
    assert known.behind(anatomy, plan, "fp32", 2, learns=True) == pytest.approx(2 * (200 + 600))
    assert known.behind(anatomy, plan, "fp32", 2, learns=False) == pytest.approx(2 * 100)
    assert known.behind(anatomy, FreezePlan(0), "fp32", 2, learns=True) == 0


def test_views_are_paid_once_and_new_images_in_every_epoch() -> None:
    made = experiment((PHASE,), FreezePlan(1), augment=AugmentSpec(flip=True))
    known = small_profile()
    views = dataclasses.replace(made, training=dataclasses.replace(made.training, views=2))
    fresh, twice = (estimate(task, 10, Counts(40, 8), profile=known).phases[0] for task in (made, views))
    assert (fresh.cached, twice.cached) == (False, True)
    assert (twice.once_seconds or 0) > (fresh.once_seconds or 0)
    assert (twice.step_seconds or 0) < (fresh.step_seconds or 0)
    assert twice.memory.features == (8 + 2 * 40) * fresh.memory.features / 8


def test_a_larger_head_counts() -> None:
    machine = Machine({"adamw": Linear(0.0, 1e-9)}, 1e-9, 1e-9, 0.0)
    known = small_profile(machine=machine)
    wide = dataclasses.replace(SMALL, head=HeadSpec(hidden=(512,)))
    times = [
        estimate(experiment((HEAD,), FreezePlan(), model=model), 10, Counts(40, 8), profile=known).phases[0]
        for model in (SMALL, wide)
    ]
    assert (times[0].epoch_seconds or 0) < (times[1].epoch_seconds or 0)
    assert times[0].memory.parameters < times[1].memory.parameters


def test_a_plan_for_more_stages_than_there_are_is_refused() -> None:
    with pytest.raises(InputError, match="stages"):
        estimate(experiment((PHASE,), FreezePlan(50)), 10, Counts(40, 8))


def test_memory_adds_up() -> None:
    found = Memory(1, 2, 4, 8, 16, 32, 64)
    assert (found.step, found.total) == (63, 127)
