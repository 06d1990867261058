"""The training loop: what learns, what stays, what is told, and that shortcuts change nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from tiny import CPU, HEAD, PLAN, PREP, experiment, tiny
from torch import Tensor, nn

from core.errors import OutOfMemory
from core.models.anatomy.examine import examine
from core.models.network import Network
from core.specs import AugmentSpec, Experiment, FreezePlan, Phase
from core.training.features import batch_sources
from core.training.features.batch_sources import Material
from core.training.loop import phase_setup
from core.training.loop.events import EpochEnd, Event, Finished, PhaseStarted, ProgressEvent, Started, Step
from core.training.loop.live_changes import ControlRequest
from core.training.loop.trainer import fit
from core.training.optim.losses import Criterion


def run(network: Network, material: Material, experiment: Experiment, **options: object) -> list[Event]:
    return list(fit(network, material, experiment, CPU, **options))  # type: ignore[arg-type]


def state(network: Network) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.model.state_dict().items()}


def changed(before: dict[str, Tensor], network: Network) -> set[str]:
    return {name for name, value in network.model.state_dict().items() if not torch.equal(value, before[name])}


def test_a_linear_probe_changes_the_head_and_not_one_other_bit(material: Callable[..., Material]) -> None:
    network = tiny()
    before = state(network)
    run(network, material(), experiment(HEAD))
    assert changed(before, network) == {"5.weight", "5.bias"}


def test_a_plan_frees_the_last_stage_and_its_statistics_only(material: Callable[..., Material]) -> None:
    network = tiny()
    before = state(network)
    run(network, material(), experiment(PLAN, freeze=FreezePlan(1)))
    names = changed(before, network)
    assert "5.weight" in names
    assert "2.0.weight" in names
    assert "2.1.running_mean" in names
    assert not {name for name in names if name.startswith(("0.", "1."))}


def test_frozen_batchnorm_may_be_left_to_drift(material: Callable[..., Material]) -> None:
    network = tiny()
    before = state(network)
    run(network, material(), experiment(PLAN, freeze=FreezePlan(0, norm="train")))
    names = changed(before, network)
    assert "0.1.running_mean" in names
    assert "0.0.weight" not in names


def test_cached_features_give_the_weights_that_live_ones_give(
    material: Callable[..., Material], monkeypatch: pytest.MonkeyPatch
) -> None:
    cached, live, images = tiny(), tiny(), material()
    told = run(cached, images, experiment(HEAD))
    monkeypatch.setattr(phase_setup, "find_split", lambda *_: None)
    told_live = run(live, images, experiment(HEAD))
    assert [e.cached for e in (*told, *told_live) if isinstance(e, PhaseStarted)] == [True, False]
    torch.testing.assert_close(cached.model[5].weight, live.model[5].weight, rtol=1e-4, atol=1e-6)
    losses = [[e.val_loss for e in events if isinstance(e, EpochEnd)] for events in (told, told_live)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_features_are_computed_once_for_each_image(
    material: Callable[..., Material], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = []
    genuine = batch_sources.extract
    monkeypatch.setattr(
        batch_sources, "extract", lambda source, split, x: images.append(len(x)) or genuine(source, split, x)
    )
    run(tiny(), material(images=12), experiment(Phase("head", "head", 20, lr=0.05)))
    assert sum(images) == 24


def test_augmented_training_images_are_new_each_epoch_and_validation_ones_are_not(
    material: Callable[..., Material],
) -> None:
    network = tiny()
    before = state(network)
    events = run(
        network, material(AugmentSpec.preset("strong")), experiment(HEAD, augment=AugmentSpec.preset("strong"))
    )
    assert [e.cached for e in events if isinstance(e, PhaseStarted)] == [False]
    assert [e.total for e in events if isinstance(e, ProgressEvent) and e.doing == "computing features"][-1] == 6
    assert changed(before, network) == {"5.weight", "5.bias"}


def test_phases_follow_one_another_and_are_told(material: Callable[..., Material]) -> None:
    events = run(tiny(), material(), experiment(HEAD, PLAN, freeze=FreezePlan("all")))
    assert isinstance(events[0], Started)
    assert (events[0].epochs, events[0].train_images, events[0].val_images) == (5, 18, 6)
    assert [e.phase for e in events if isinstance(e, PhaseStarted)] == ["head", "fine-tune"]
    epochs = [e for e in events if isinstance(e, EpochEnd)]
    assert [e.epoch for e in epochs] == [1, 2, 3, 4, 5]
    assert [e.phase_index for e in epochs] == [0, 0, 0, 1, 1]
    end = events[-1]
    assert isinstance(end, Finished)
    assert not end.stopped
    best = max(epochs, key=lambda e: (e.val_accuracy, -e.val_loss))
    assert (end.best_epoch, end.best_val_accuracy) == (best.epoch, best.val_accuracy)
    assert [e.improved for e in epochs][best.epoch - 1]


def test_it_learns(material: Callable[..., Material]) -> None:
    events = run(tiny(), material(images=24), experiment(Phase("all", "plan", 12, lr=0.01), freeze=FreezePlan("all")))
    assert events[-1].best_val_accuracy == 1.0  # type: ignore[union-attr]


def test_the_same_seed_gives_the_same_weights(material: Callable[..., Material]) -> None:
    first, second = tiny(), tiny()
    images = material(AugmentSpec.preset("strong"))
    for network in (first, second):
        run(network, images, experiment(HEAD, PLAN, freeze=FreezePlan(2), augment=AugmentSpec.preset("strong")))
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name


def test_a_batch_of_one_is_left_out_rather_than_normalised(material: Callable[..., Material]) -> None:
    events = run(tiny(), material(), experiment(PLAN, freeze=FreezePlan("all"), batch_size=17))
    assert isinstance(events[-1], Finished)
    assert events[-1].epochs == 2
    steps = [e.step for e in events if isinstance(e, Step)]
    assert isinstance(events[0], Started)
    assert steps[-1] == events[0].steps == 2


def test_every_epoch_is_told_as_a_point_however_quick(material: Callable[..., Material]) -> None:
    events = run(tiny(), material(), experiment(HEAD))
    points = [e for e in events if isinstance(e, Step)]
    epochs = [e for e in events if isinstance(e, EpochEnd)]
    assert [p.epoch for p in points] == [1, 2, 3]
    assert [p.loss for p in points] == pytest.approx([e.train_loss for e in epochs])


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        MemoryError(),
    ],
)
def test_every_way_to_run_out_of_memory_is_one_sentence(
    material: Callable[..., Material], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def starve(*_: object) -> None:
        raise error

    monkeypatch.setattr("core.training.features.batch_sources.extract", starve)
    with pytest.raises(OutOfMemory, match="A batch of 1 images at 32 px"):
        run(tiny(), material(), experiment(HEAD))


def test_a_parameter_that_no_logit_depends_on_does_not_stop_the_choice_of_precision(
    material: Callable[..., Material],
) -> None:
    network = tiny()
    network.model[0].register_parameter("idle", nn.Parameter(torch.zeros(2)))
    spare = Network(
        network.model, examine(network.model, num_classes=2, image_size=PREP.crop), PREP, network.classes, "tiny"
    )
    plan = experiment(PLAN, freeze=FreezePlan("all"))
    auto = dataclasses.replace(plan, training=dataclasses.replace(plan.training, precision="auto"))
    assert isinstance(run(spare, material(), auto)[-1], Finished)


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", "rmsprop"])
def test_every_optimizer_lowers_the_loss(material: Callable[..., Material], optimizer: str) -> None:
    phase = Phase("head", "head", 15, optimizer=optimizer, lr=0.01)
    losses = [e.train_loss for e in run(tiny(), material(), experiment(phase)) if isinstance(e, EpochEnd)]
    assert losses[-1] < losses[0]


def test_stop_ends_after_the_epoch_it_is_in_or_sooner(material: Callable[..., Material]) -> None:
    asked = []
    events = []
    for event in fit(tiny(), material(), experiment(HEAD), CPU, poll_requests=lambda: asked):
        events.append(event)
        if isinstance(event, EpochEnd):
            asked.append(ControlRequest("stop"))
    assert isinstance(events[-1], Finished)
    assert (events[-1].stopped, events[-1].epochs, events[-1].best_epoch) == (True, 1, 1)


def test_stop_during_the_features_ends_without_an_epoch(material: Callable[..., Material]) -> None:
    events = run(tiny(), material(), experiment(HEAD), poll_requests=lambda: [ControlRequest("stop")])
    assert (events[-1].stopped, events[-1].best_epoch) == (True, None)  # type: ignore[union-attr]


def test_the_network_is_left_in_eval_mode_even_after_an_error(
    material: Callable[..., Material], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = tiny()

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Criterion, "__call__", fail)
    with pytest.raises(RuntimeError, match="broken"):
        run(network, material(), experiment(PLAN, freeze=FreezePlan("all")))
    assert not any(module.training for module in network.model.modules())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_probe_learns_on_a_gpu(material: Callable[..., Material]) -> None:
    events = list(fit(tiny(), material(), experiment(HEAD), torch.device("cuda")))
    assert isinstance(events[-1], Finished)
    assert events[-1].epochs == 3


def test_gradual_unfreezing_frees_one_stage_after_the_other(material: Callable[..., Material]) -> None:
    network = tiny()
    phases = (
        Phase("head", "head", 1, lr=0.05),
        Phase("unfreeze-1", "plan", 1, lr=0.01, freeze=FreezePlan(1)),
        Phase("unfreeze-2", "plan", 1, lr=0.01, freeze=FreezePlan(2)),
    )
    moved, before = [], state(network)
    for event in fit(network, material(), experiment(*phases, freeze=FreezePlan(2)), CPU):
        if isinstance(event, EpochEnd):
            moved.append({name[0] for name in changed(before, network) if name.endswith("weight")})
            before = state(network)
    assert moved == [{"5"}, {"5", "2"}, {"5", "2", "1"}]


def test_discriminative_rates_move_early_stages_less(material: Callable[..., Material]) -> None:
    lengths, images = [], material()
    for decay in (1.0, 0.05):
        network = tiny()
        before = state(network)
        phase = Phase("a", "plan", 1, "sgd", lr=0.01, momentum=0.0, stage_decay=decay)
        run(network, images, experiment(phase, freeze=FreezePlan("all")))
        lengths.append((network.model.state_dict()["0.0.weight"] - before["0.0.weight"]).norm().item())
    assert 0 < lengths[1] < 0.01 * lengths[0]


def test_features_that_do_not_fit_are_computed_in_each_epoch(
    material: Callable[..., Material], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = material()
    monkeypatch.setenv("BACKBONE_LAB_FEATURES_MB", "0.0001")
    monkeypatch.setenv("BACKBONE_LAB_FEATURE_FILES_MB", "0.0001")
    told = run(tiny(), images, experiment(HEAD))
    assert [event.cached for event in told if isinstance(event, PhaseStarted)] == [False]
