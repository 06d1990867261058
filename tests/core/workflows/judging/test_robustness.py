"""Accuracy under corruptions and attacks: counted right, measured once, kept in the run's folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import InputError
from core.evaluation.attacks import ATTACKS, attacked
from core.evaluation.intervals import wilson_interval
from core.runs.jobs import JobStore
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, Phase, TrainingSpec
from core.workflows.jobs import job_process
from core.workflows.jobs.judging.robustness import RobustnessRequest, result
from core.workflows.judging import robustness, test_time
from core.workflows.judging.robustness import Robustness, measure, measured, named, strip
from core.workflows.trainer_process import worker
from tests.support.tiny import tiny


@pytest.fixture
def run(image_folder: Callable[..., Path]) -> Run:
    task = Experiment(
        DataSpec(str(image_folder(images=16)), 0.25, 0.25),
        ModelSpec("mnist_cnn", "none"),
        TrainingSpec("scratch", (Phase("all", "plan", 1, lr=0.001),), device="cpu", precision="fp32"),
        FreezePlan("all"),
    )
    made = RunStore().create(task)
    worker.work(made)
    return made


def made(right: list[list[bool]], names: tuple[str, ...] = ("fog",)) -> Robustness:
    """Of pictures of class 0, all right as they are; ``right`` has a row a strength."""
    rows = tuple(tuple(0 if yes else 1 for yes in row) for row in right)
    count = len(right[0])
    keys = tuple(map(str, range(count)))
    return Robustness("test", count, keys, (0,) * count, ("a", "b"), (0,) * count, dict.fromkeys(names, rows))


def test_curves_are_counted_with_wilson_intervals() -> None:
    right = [[n < 10 - strength for n in range(10)] for strength in range(5)]
    curve = made(right).curve("fog")
    assert [value for value, _ in curve] == [1.0, 1.0, 0.9, 0.8, 0.7, 0.6]
    assert curve[3][1] == wilson_interval(8, 10)


def test_the_mean_is_over_corruptions_and_strengths_and_its_interval_over_pictures() -> None:
    right = [[n < 10 - strength for n in range(10)] for strength in range(5)]
    found = made(right, ("fog", "jpeg"))
    value, (low, high) = found.mean()
    assert value == pytest.approx(0.8)
    assert low < 0.8 < high
    narrow = made(np.repeat(right, 100, axis=1).tolist()).mean()[1]
    assert narrow[1] - narrow[0] < (high - low) / 5
    assert made([[True] * 10] * 5).mean() == (1.0, wilson_interval(10, 10))
    with pytest.raises(InputError, match="no mean"):
        made(right, ("fgsm",)).mean()


def test_the_means_interval_covers() -> None:
    """Of 400 draws of 60 pictures, each with a share of its own, about 95 % cover the true mean."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        shares = rng.beta(4, 2, 60)
        low, high = made((rng.random((5, 60)) < shares).tolist()).mean()[1]
        hits += low <= 4 / 6 <= high
    assert 0.92 <= hits / 400 <= 0.98


def test_words_name_corruptions_groups_and_all() -> None:
    assert named("fog, blur") == ("fog", "gaussian-blur", "defocus-blur", "motion-blur", "zoom-blur")
    assert named("attack,fgsm") == ("fgsm", "pgd")
    assert len(named("all")) == len(robustness.CORRUPTIONS) + len(ATTACKS)
    for words in ("", " , ", "frost"):
        with pytest.raises(InputError):
            named(words)


def test_a_run_is_measured_once_and_more_is_added(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, int, int]] = []
    found = measure(run, ("fog", "fgsm"), device="cpu", progress=lambda *word: said.append(word))
    count = len(found.keys)
    assert found.split == "test"
    assert found.curve("fog")[0] == found.curve("fgsm")[0]
    assert said[-1] == ("fgsm", 10 * count, 10 * count)
    assert measured(run, "test") == found
    added = measure(run, ("fog", "jpeg"), device="cpu")
    assert added.answers["fog"] == found.answers["fog"]
    assert list(added.answers) == ["fog", "fgsm", "jpeg"]
    monkeypatch.setattr(robustness, "network_at", lambda *_, **__: pytest.fail("all of it was measured"))
    assert measure(run, ("jpeg", "fog"), device="cpu") == added


def test_clean_answers_are_those_that_the_run_is_judged_by(run: Run) -> None:
    from core.workflows.evaluate import recorded

    found = measure(run, ("fog",), most=0, device="cpu")
    judged = recorded(run)["test"].predictions
    assert dict(zip(found.keys, found.clean, strict=True)) == dict(
        zip(judged.keys, judged.probabilities.argmax(1).tolist(), strict=True)
    )


def test_new_weights_and_damage_are_measured_anew(run: Run) -> None:
    measure(run, ("fog",), device="cpu")
    (file,) = (run.path / robustness.FOLDER).iterdir()
    record = json.loads(file.read_text())
    for damage in ({"clean": [0]}, {"answers": {"fog": [[0]]}}, {"keys": []}, {"weights": "1"}, {"answers": []}):
        file.write_text(json.dumps(record | damage))
        assert measured(run, "test") is None
    file.write_text("{")
    assert measured(run, "test") is None
    assert measure(run, ("fog",), device="cpu").answers["fog"]
    run.checkpoint.touch()
    assert measured(run, "test") is None


def test_what_was_done_before_a_cancel_is_kept(run: Run) -> None:
    request = RobustnessRequest(run.id, "1", "val", 0, ("jpeg", "fog"))
    job = JobStore("robustness").create(request.as_record())

    def log(record: dict[str, Any]) -> None:
        if record["doing"] == "fog":
            job.request_stop()

    assert job_process.work(job, log).state == "stopped"
    found = result(job)
    assert found is not None
    assert list(found.answers) == ["jpeg"]
    again = JobStore("robustness").create(request.as_record())
    assert job_process.work(again).state == "finished"
    found = result(again)
    assert found is not None
    assert list(found.answers) == ["jpeg", "fog"]


def test_another_process_may_measure_meanwhile(run: Run) -> None:
    def other(doing: str, _done: int, _total: int) -> None:
        if doing == "fog" and measured(run, "test") is None:
            measure(run, ("jpeg",), device="cpu")

    measure(run, ("fog",), device="cpu", progress=other)
    found = measured(run, "test")
    assert found is not None
    assert set(found.answers) == {"fog", "jpeg"}


def test_splits_and_pictures_that_are_not_there_are_refused_in_words(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no images in the split other"):
        measure(run, ("fog",), split="other", device="cpu")
    with pytest.raises(InputError, match="no corruption frost"):
        measure(run, ("frost",), device="cpu")
    Path(run.experiment.data.source).rename(tmp_path / "gone")
    with pytest.raises(InputError):
        measure(run, ("fog",), device="cpu")


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_stays_in_its_range_and_raises_the_loss(name: str) -> None:
    network = tiny()
    images = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 1, 0, 1, 0, 1])
    losses = []
    for strength, far in enumerate(ATTACKS[name], 1):
        pixels = attacked(network, images, labels, name, strength)
        assert not pixels.requires_grad
        assert float((pixels - images).abs().max()) <= far + 1e-3
        assert 0 <= float(pixels.min()) <= float(pixels.max()) <= 255
        with torch.no_grad():
            logits = network.model(robustness.normalise(pixels.clone(), network.preprocessing))
        losses.append(float(torch.nn.functional.cross_entropy(logits, labels)))
    with torch.no_grad():
        plain = network.model(robustness.normalise(images, network.preprocessing))
    before = float(torch.nn.functional.cross_entropy(plain, labels))
    assert before < losses[0]
    assert losses == sorted(losses)


def test_one_step_is_the_sign_of_the_gradient() -> None:
    network = tiny(classes=2)
    images = torch.randint(30, 220, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([0, 1])
    pixels = (images.double() / 255).float().requires_grad_()
    logits = network.model(robustness.normalise(pixels * 255, network.preprocessing))
    torch.nn.functional.cross_entropy(logits, labels, reduction="sum").backward()
    assert pixels.grad is not None
    clear = pixels.grad.abs() > 1e-5
    moved = attacked(network, images, labels, "fgsm", 3) - images
    assert torch.equal(moved.sign()[clear], pixels.grad.sign()[clear])
    assert torch.allclose(moved[clear].abs(), torch.tensor(2.0), atol=1e-3)


def test_a_sure_network_can_be_attacked() -> None:
    network = tiny(classes=2)
    with torch.no_grad():
        network.model[-1].weight.mul_(1e4)  # its cross-entropy has no gradient left
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    labels = network.model(robustness.normalise(images, network.preprocessing)).argmax(1)
    assert float((attacked(network, images, labels, "fgsm", 5) - images).abs().max()) > 7


@pytest.mark.parametrize("name", ["fog", "fgsm"])
def test_a_strip_shows_what_was_measured(run: Run, name: str) -> None:
    from core.workflows.checkpoints import network_at
    from core.workflows.judging.held_out import held_out

    found = measure(run, (name,), device="cpu")
    network = network_at(run)
    with held_out(run, network) as pictures:
        picture = pictures.store.batch(pictures.positions[:1])[0].contiguous()
    rows = strip(network, picture, name, found.keys[0], found.labels[0])
    assert torch.equal(rows[0][0], picture)
    said = [int(probabilities.argmax()) for _, probabilities in rows]
    assert said == [found.clean[0], *(row[0] for row in found.answers[name])]


def test_intervals_go_over_groups_where_the_division_keeps_them_together(image_folder: Callable[..., Path]) -> None:
    task = Experiment(
        DataSpec(str(image_folder(images=30)), 0.2, 0.4, group_by=r"pattern:(\d\d)\d\.png"),
        ModelSpec("mnist_cnn", "none"),
        TrainingSpec("scratch", (Phase("all", "plan", 1, lr=0.001),), device="cpu", precision="fp32"),
        FreezePlan("all"),
    )
    run = RunStore().create(task)
    worker.work(run)
    found = measure(run, ["contrast"], most=0, device="cpu")
    assert found.groups is not None
    tens = {key: key[-7:-5] for key in found.keys}
    pairs = {(tens[key], group) for key, group in zip(found.keys, found.groups, strict=True)}
    assert len(pairs) == len(set(found.groups)) == len(set(tens.values())) > 1
    assert measured(run, found.split, most=0) == found
    file = next((run.path / robustness.FOLDER).glob("*.json"))
    file.write_text(json.dumps({**json.loads(file.read_text()), "groups": None}))  # as earlier versions left it
    assert measure(run, ["contrast"], most=0, device="cpu") == found
    views = test_time.average_views(run, test_time.Views("mirror"), most=0, device="cpu")
    assert views.groups is not None
    assert sorted(size for size, _alone, _mean in views.groups) == sorted(Counter(tens.values()).values())


def test_an_interval_over_groups_of_alike_pictures_is_that_of_fewer_pictures() -> None:
    right = np.repeat(np.arange(40) % 4 > 0, 5)  # 40 groups of five pictures that are answered alike
    alone = made([right.tolist()] * 5)
    grouped = replace(alone, groups=tuple(np.repeat(np.arange(40), 5).tolist()))

    def width(found: Robustness) -> float:
        low, high = found.curve("fog")[3][1]
        return high - low

    low, high = wilson_interval(30, 40)
    assert width(grouped) == pytest.approx(high - low, rel=0.15)
    assert width(alone) < 0.6 * width(grouped)
    assert grouped.mean()[1][1] - grouped.mean()[1][0] > 1.8 * (alone.mean()[1][1] - alone.mean()[1][0])
    assert Robustness.from_record(json.loads(json.dumps(grouped.as_record()))) == grouped
