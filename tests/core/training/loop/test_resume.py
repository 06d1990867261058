"""Going on after an interruption: bit by bit as if nothing had happened."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import CPU, HEAD, PLAN, experiment, tiny
from torch import Tensor, nn

from core.errors import InputError
from core.models.network import Network
from core.specs import AugmentSpec, EarlyStopping, Experiment, FreezePlan, LiveChange, Loss, Mix, Phase, Schedule
from core.training.checkpoints import resume_state
from core.training.features.batch_sources import Material
from core.training.loop import epoch_meter
from core.training.loop.events import Changed, CheckpointDue, EpochEnd, Event, Finished, PhaseStarted
from core.training.loop.live_changes import ControlRequest
from core.training.loop.trainer import Trainer

Make = Callable[..., Material]
STRONG = AugmentSpec.preset("strong")


def with_dropout() -> Network:
    network = tiny()
    network.model[5] = nn.Sequential()  # placeholder, replaced below so that names stay
    network.model[5] = _Dropping(8, 2)
    return network


class _Dropping(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(nn.functional.dropout(input, 0.5, self.training))


SCENES: dict[str, tuple[Experiment, AugmentSpec | None]] = {
    "two phases": (experiment(HEAD, PLAN, freeze=FreezePlan(1)), None),
    "augmented, all options": (
        experiment(
            Phase("a", "plan", 3, "sgd", lr=0.02, nesterov=True, schedule=Schedule("one-cycle", warmup=0.5)),
            Phase("b", "plan", 2, "rmsprop", lr=1e-3, schedule=Schedule("plateau", patience=0)),
            freeze=FreezePlan("all"),
            augment=STRONG,
            loss=Loss("focal", smoothing=0.1, balance="balanced"),
            mix=Mix(mixup=0.4, cutmix=1.0),
            clip=1.0,
            accumulate=2,
            ema=0.9,
            early=EarlyStopping(patience=4),
        ),
        STRONG,
    ),
    "classes equally often, operations drawn anew": (
        experiment(
            Phase("a", "plan", 2, lr=0.01),
            PLAN,
            freeze=FreezePlan("all"),
            augment=AugmentSpec.preset("trivialaugment"),
            sampler="weighted",
        ),
        AugmentSpec.preset("trivialaugment"),
    ),
    "numbers of one stream, as before schema 4": (experiment(PLAN, augment=STRONG, draws="stream"), STRONG),
    "further operations": (experiment(PLAN, augment=AugmentSpec.preset("trivialaugment")), STRONG),
    "acts to repeat": (
        experiment(
            HEAD,
            PLAN,
            freeze=FreezePlan(1),
            acts=(
                LiveChange(3, "rate", 0.5),
                LiveChange(8, "unfreeze", 1, phase=0),
                LiveChange(17, "extend", 1, phase=1),
            ),
        ),
        None,
    ),
}


def finish(trainer: Trainer) -> list[Event]:
    return list(trainer.run())


def wishing(network: Network, images: Material, task: Experiment, step: int, *wishes: ControlRequest) -> Trainer:
    """Returns a trainer that somebody wants something from after a step."""
    left = [wishes]
    trainer = Trainer(
        network, images, task, CPU, poll_requests=lambda: left.pop() if left and trainer.state.step == step else ()
    )
    return trainer


def written(trainer: Trainer) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Takes a state through a file, as a run's folder does, and the weights beside it."""
    weights = {name: value.clone() for name, value in trainer.network.model.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        resume_state.save(trainer.state_dict(), Path(folder) / resume_state.STATE, "a")
        return resume_state.read(Path(folder)), weights


def same(one: Network, other: Network) -> bool:
    theirs = other.model.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.model.state_dict().items())


def after(events: Sequence[Event]) -> list[tuple[int, float, float, float]]:
    return [(e.epoch, e.train_loss, e.val_loss, e.lr) for e in events if isinstance(e, EpochEnd)]


@pytest.fixture(autouse=True)
def told_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epoch_meter, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(epoch_meter, "CHECKPOINT_SECONDS", 0.0)


@pytest.mark.parametrize("scene", SCENES)
def test_a_training_goes_on_from_any_written_state(scene: str, material: Make) -> None:
    task, augment = SCENES[scene]
    images = material(augment)
    whole = with_dropout()
    events = finish(Trainer(whole, images, task, CPU))
    points = sum(isinstance(event, EpochEnd | CheckpointDue) for event in events)
    assert points > 8
    for point in range(points):
        broken = with_dropout()
        trainer = Trainer(broken, images, task, CPU)
        written_down = (event for event in trainer.run() if isinstance(event, EpochEnd | CheckpointDue))
        for _ in range(point + 1):
            next(written_down)
        state, weights = written(trainer)
        torch.manual_seed(point)  # another process has other chance
        fresh = with_dropout()
        fresh.model.load_state_dict(weights)
        again = Trainer(fresh, images, task, CPU)
        again.resume(state)
        rest = finish(again)
        assert same(whole, fresh), (scene, point)
        assert after(events)[len(after(events)) - len(after(rest)) :] == after(rest)
        assert rest[-1].best_epoch == events[-1].best_epoch  # type: ignore[union-attr]


def test_a_pause_ends_at_once_and_goes_on_in_the_middle_of_an_epoch(material: Make) -> None:
    task, images = experiment(Phase("a", "plan", 2, lr=0.01), freeze=FreezePlan("all")), material(images=24)
    whole = tiny()
    finish(Trainer(whole, images, task, CPU))
    network, calls = tiny(), iter(range(100))
    trainer = Trainer(
        network, images, task, CPU, poll_requests=lambda: [ControlRequest("pause")] if next(calls) == 3 else []
    )
    events = finish(trainer)
    assert isinstance(events[-1], Finished)
    assert events[-1].paused
    assert not events[-1].stopped
    assert trainer.state.done == 16  # the fourth step of nine
    state, weights = written(trainer)
    fresh = tiny()
    fresh.model.load_state_dict(weights)
    again = Trainer(fresh, images, task, CPU)
    again.resume(state)
    finish(again)
    assert same(whole, fresh)


def test_what_was_wished_live_is_repeated_by_its_acts(material: Make) -> None:
    images = material()
    wishes = {2: ControlRequest("rate", 0.1), 5: ControlRequest("unfreeze"), 9: ControlRequest("extend", 2)}
    calls = iter(range(1000))
    live = tiny()
    task = experiment(HEAD, PLAN, freeze=FreezePlan(1))
    told = finish(
        Trainer(live, images, task, CPU, poll_requests=lambda: [wishes[n]] if (n := next(calls)) in wishes else [])
    )
    changes = [event for event in told if isinstance(event, Changed)]
    assert [change.act.kind for change in changes] == ["rate", "unfreeze", "extend"]
    assert changes[1].stages
    repeated = tiny()
    acts = tuple(change.act for change in changes)
    finish(Trainer(repeated, images, experiment(HEAD, PLAN, freeze=FreezePlan(1), acts=acts), CPU))
    assert same(live, repeated)
    plain = tiny()
    finish(Trainer(plain, images, task, CPU))
    assert not same(live, plain)


def test_unfreezing_goes_on_with_what_the_optimizer_remembers(material: Make) -> None:
    network, images = tiny(), material()
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    calls = iter(range(1000))
    trainer = Trainer(
        network,
        images,
        experiment(HEAD),
        CPU,
        poll_requests=lambda: [ControlRequest("unfreeze", 1)] if next(calls) == 9 else [],
    )
    events = finish(trainer)
    assert sum(isinstance(event, PhaseStarted) for event in events) == 2
    moved = {name for name, value in network.model.state_dict().items() if not torch.equal(value, before[name])}
    assert {"5.weight", "2.0.weight"} <= moved
    assert not {name for name in moved if name.startswith(("0.", "1."))}
    steps = [int(state["step"]) for state in trainer._optimization.optimizer.state.values()]
    assert max(steps) == trainer.state.step
    assert min(steps) < trainer.state.step


def test_more_stages_than_there_are_may_be_wished_for(material: Make) -> None:
    calls = iter(range(1000))
    events = finish(
        Trainer(
            tiny(),
            material(),
            experiment(HEAD),
            CPU,
            poll_requests=lambda: [ControlRequest("unfreeze", 9)] if next(calls) == 1 else [],
        )
    )
    assert isinstance(events[-1], Finished)
    assert events[-1].epochs == 3


def test_a_stage_that_joins_in_just_before_a_pause_joins_in_after_it(material: Make) -> None:
    images, task = material(), experiment(HEAD)
    whole, broken = tiny(), tiny()
    finish(wishing(whole, images, task, 3, ControlRequest("unfreeze")))
    trainer = wishing(broken, images, task, 3, ControlRequest("unfreeze"), ControlRequest("pause"))
    finish(trainer)
    state, weights = written(trainer)
    fresh = tiny()
    fresh.model.load_state_dict(weights)
    rest = Trainer(fresh, images, task, CPU)
    rest.resume(state)
    finish(rest)
    assert same(whole, fresh)


def test_a_phase_that_ended_early_is_not_gone_on_with(material: Make) -> None:
    images = material()
    task = experiment(
        Phase("a", "head", 20, lr=1e-9), PLAN, freeze=FreezePlan(1), early=EarlyStopping(patience=2, minimum=1.0)
    )
    trainer = Trainer(tiny(), images, task, CPU)
    states = []
    events = []
    for event in trainer.run():
        events.append(event)
        if isinstance(event, EpochEnd):
            states.append(written(trainer))
    assert events[-1].early  # type: ignore[union-attr]
    for state, weights in states:
        fresh = tiny()
        fresh.model.load_state_dict(weights)
        again = Trainer(fresh, images, task, CPU)
        again.resume(state)
        rest = finish(again)
        assert same(trainer.network, fresh)
        assert rest[-1].epochs == events[-1].epochs  # type: ignore[union-attr]
        assert rest[-1].early == events[-1].early  # type: ignore[union-attr]


@pytest.mark.parametrize("broken", [{}, {"format": 99}, {"format": 1, "position": {"phase": 7}}])
def test_a_state_that_is_none_is_refused(material: Make, broken: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="cannot be read by this version"):
        Trainer(tiny(), material(), experiment(HEAD), CPU).resume(broken)


def test_a_state_of_another_network_is_refused(material: Make) -> None:
    images = material()
    trainer = Trainer(tiny(), images, experiment(PLAN, freeze=FreezePlan(1)), CPU)
    for event in trainer.run():
        if isinstance(event, EpochEnd):
            break
    other = Trainer(tiny(), images, experiment(PLAN, freeze=FreezePlan("all")), CPU)
    other.resume(trainer.state_dict())
    with pytest.raises(InputError, match="does not fit its experiment"):
        finish(other)
