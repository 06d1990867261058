"""Images are decoded once for trainings of one process, unless anything about them differs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.runs.store import RunStore
from core.specs import AugmentSpec, DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.trainer_process import runner, worker
from core.workflows.trainer_process.image_shelf import ImageShelf


def test_the_same_images_are_decoded_once(image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    searched: list[int] = []
    decode, look = runner.decode, runner.open_leaks
    monkeypatch.setattr(runner, "decode", lambda *a, **k: (decoded.append(a[1].source), decode(*a, **k))[1])
    monkeypatch.setattr(runner, "open_leaks", lambda *a: (searched.append(len(a[0])), look(*a))[1])
    recipe, folder, shelf = make_recipe("scratch", epochs=1), image_folder(images=8), ImageShelf()
    training = TrainingSpec("scratch", recipe.phases, batch_size=4, device="cpu", precision="fp32")
    base = Experiment(DataSpec(str(folder)), ModelSpec("mnist_cnn", "none"), training, recipe.freeze)

    def trained(one: Experiment) -> float | None:
        return worker.work(RunStore().create(one), shelf=shelf).val_accuracy

    trained(base)
    first = trained(replace(base, training=replace(training, seed=1)))
    assert (len(decoded), len(searched)) == (1, 1)
    alone = worker.work(RunStore().create(replace(base, training=replace(training, seed=1))))
    assert alone.val_accuracy == first
    assert alone.leaks is not None
    decoded.clear()
    for changed in (
        replace(base, data=replace(base.data, seed=5)),
        replace(base, model=replace(base.model, image_size=32)),
        replace(base, augment=AugmentSpec(flip=True)),
    ):
        trained(changed)
        trained(changed)
    assert len(decoded) == 3
    red, blue = (sorted((folder / name).iterdir()) for name in ("red", "blue"))
    shutil.copy(red[0], blue[0])
    trained(changed)
    assert len(decoded) == 4
