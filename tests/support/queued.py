"""Runs for the tests of the queue: what is queued, in which order, and waiting for something to happen."""

from __future__ import annotations

import time
from collections.abc import Callable

from core.runs import RunStore, queue
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe


def experiment(name: str = "", device: str = "cpu", seed: int = 0) -> Experiment:
    recipe = make_recipe("linear-probe", epochs=2)
    training = TrainingSpec("linear-probe", recipe.phases, device=device, seed=seed)
    return Experiment(DataSpec("shapes"), ModelSpec("resnet18"), training, name=name)


def names(store: RunStore) -> list[str]:
    return [place.run.name for place in queue.waiting(store)]


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
