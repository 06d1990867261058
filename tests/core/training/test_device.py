"""The training loop on a GPU: nothing in a step waits for it, and its shortcuts change nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tiny import experiment, tiny

from core.device import exact_algorithms
from core.specs import AugmentSpec, FreezePlan, Phase
from core.training.features.batch_sources import Material
from core.training.loop.events import EpochEnd, Finished
from core.training.loop.trainer import Trainer

Make = Callable[..., Material]

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
PHASE = Phase("all", "plan", 3, "adamw", lr=0.01)


@pytest.mark.parametrize("augment", [None, AugmentSpec.preset("basic"), AugmentSpec.preset("strong")])
def test_a_step_does_not_wait_for_the_device(
    material: Make, augment: AugmentSpec | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = material(augment)
    images.store.fill()
    device = torch.device("cuda")
    task = experiment(PHASE, freeze=FreezePlan("all"), augment=augment)
    trainer = Trainer(tiny(), images, task, device)
    events = trainer.run()
    next(event for event in events if isinstance(event, EpochEnd))
    genuine = torch.optim.Optimizer.zero_grad

    def guarded(*args: object, **kwargs: object) -> None:
        torch.cuda.set_sync_debug_mode("error")
        genuine(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.optim.AdamW, "zero_grad", guarded)
    monkeypatch.setattr(trainer, "_report_due", lambda _: torch.cuda.set_sync_debug_mode("default"))
    try:
        assert isinstance(list(events)[-1], Finished)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_features_at_a_stage_give_what_the_whole_network_gives(material: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.training.loop import phase_setup

    images = material()
    images.store.fill()
    phase = Phase("last", "plan", 3, "sgd", lr=0.01)
    losses = []
    for apart in (True, False):
        if not apart:
            monkeypatch.setattr(phase_setup, "find_split", lambda *_: None)
        task = experiment(phase, freeze=FreezePlan(1))
        events = Trainer(tiny(), images, task, torch.device("cuda")).run()
        losses.append([event.train_loss for event in events if isinstance(event, EpochEnd)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


def test_a_compiled_network_learns(material: Make) -> None:
    images = material()
    images.store.fill()
    for plan in (FreezePlan("all"), FreezePlan(1)):
        task = experiment(PHASE, freeze=plan, compile=True)
        events = list(Trainer(tiny(), images, task, torch.device("cuda")).run())
        assert isinstance(events[-1], Finished)
        assert events[-1].epochs == 3


def test_the_quick_algorithms_are_left_as_they_were() -> None:
    before = (torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark)
    with exact_algorithms(False):
        assert torch.backends.cudnn.benchmark
        assert torch.get_float32_matmul_precision() == "high"
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark) == before
