"""The parts of a program that a run becomes do what this project does: network, loss, rates, images, optimizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from programs import HEAD, definitions, task

from core.data.augment import Augmenter
from core.data.operations.draws import drawn
from core.models import freeze
from core.models.catalog import catalog
from core.models.network import assemble, save
from core.runs.status import RunStatus
from core.specs import AugmentSpec, FreezePlan, HeadSpec, Loss, ModelSpec, Phase, Schedule
from core.training.loop.batching import EpochBatching
from core.training.loop.distributed import ALONE
from core.training.optim.losses import Criterion
from core.training.optim.optimizers import build_optimizer
from core.training.optim.schedules import rate_factor
from core.workflows.export.pytorch import program


def built(spec: ModelSpec, classes: tuple[str, ...] = ("a", "b", "c"), **more: Any) -> dict[str, torch.Tensor]:
    """Carries out the part of the program that builds the network."""
    return definitions(task(spec, HEAD, seed=5), classes, **more)["build"]().state_dict()


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec",
    [
        ModelSpec("resnet18", "none"),
        ModelSpec("vgg11", "none", image_size=64, head=HeadSpec((8, 4), pool="flatten", dropout=0.1)),
        ModelSpec("mobilenet_v2", "none", image_size=64, head=HeadSpec(pool="flatten")),
        ModelSpec("mobilenet_v3_small", "none", head=HeadSpec((8,), pool="average")),
        ModelSpec("squeezenet1_1", "none", head=HeadSpec(dropout=0.3)),
        ModelSpec("efficientnet_lite0", "none"),
        ModelSpec("efficientnet_lite0"),
        ModelSpec("densenet121", "none", channels=1, init="orthogonal"),
        ModelSpec("googlenet", "none", channels=1),
        ModelSpec("inception_v3", "none"),
        ModelSpec("vit_b_32", "none", image_size=96, init="xavier-uniform", init_bias=0.1),
        ModelSpec("alzheimer_cnn", "none", init="ones"),
        ModelSpec("mnist_cnn", "none", image_size=32, channels=3),
    ],
    ids=lambda spec: f"{spec.backbone}-{spec.weights}-{spec.init}",
)
def test_the_written_network_begins_with_the_same_values(spec: ModelSpec) -> None:
    ours = assemble(spec, ("a", "b", "c"), seed=5).model.state_dict()
    theirs = built(spec)
    assert list(ours) == list(theirs)
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_the_written_network_has_one_output_for_two_classes() -> None:
    spec = ModelSpec("cats_and_dogs_small_2", "none", image_size=64, init="xavier-uniform")
    ours = assemble(spec, ("a", "b"), seed=5).model.eval()
    theirs = definitions(task(spec, HEAD, seed=5), ("a", "b"))["build"]().eval()
    x = torch.rand(2, 3, 64, 64)
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize(
    "spec",
    [
        Loss(),
        Loss(smoothing=0.1, balance="balanced"),
        Loss("focal", gamma=1.5),
        Loss("l1"),
        Loss("mse-mean", balance="balanced"),
        Loss("correlation"),
    ],
    ids=lambda spec: f"{spec.name}-{spec.balance}",
)
def test_the_written_loss_is_the_loss(spec: Loss) -> None:
    counts, labels = torch.tensor([5, 1, 9]), torch.tensor([0, 2, 1, 2])
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    losses = definitions(task(ModelSpec("mnist_cnn", "none"), HEAD, loss=spec))["losses"]
    own = Criterion(spec, counts, torch.device("cpu"))
    assert torch.equal(losses(logits, labels, spec.smoothing, own.weights), own(logits, labels))
    shares = torch.tensor([[0.2, 0.8, 0.0], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.1, 0.1, 0.8]])
    assert torch.equal(losses(logits, shares, spec.smoothing, own.weights), own(logits, shares))


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule("cosine", warmup=1.5, floor=0.1),
        Schedule("polynomial", power=2.0, floor=0.05),
        Schedule("one-cycle"),
        Schedule("exponential", gamma=0.8, warmup=1.0),
        Schedule("step", every=2, gamma=0.3),
        Schedule("multi-step", milestones=(1, 3), gamma=0.2),
        Schedule("constant", warmup=2.0),
    ],
    ids=lambda schedule: schedule.name,
)
def test_the_written_schedule_is_the_schedule(schedule: Schedule) -> None:
    experiment = task(ModelSpec("mnist_cnn", "none"), Phase("a", "plan", 5, schedule=schedule))
    space = definitions(experiment)
    for step in range(35):
        factor = space["factor"](space["PHASES"][0], step, 7)
        assert factor == pytest.approx(rate_factor(schedule, step, 7, 5), rel=1e-12)


@pytest.mark.parametrize(
    "spec",
    [
        AugmentSpec.preset("basic"),
        AugmentSpec.preset("strong"),
        AugmentSpec(rotation=20),
        AugmentSpec(color=0.3),
        AugmentSpec(flip=True),
        AugmentSpec(crop_scale=0.5, color=0.1),
    ],
    ids=str,
)
def test_the_written_augmentation_is_the_augmentation(spec: AugmentSpec) -> None:
    network, augmenter, rows = ModelSpec("resnet18", "none", image_size=48), Augmenter(spec, 48), torch.arange(3, 9)
    space = definitions(task(network, HEAD, augment=spec, draws="stream"))
    canvases = torch.randint(0, 256, (6, 3, space["SIDE"], space["SIDE"]), dtype=torch.uint8)
    stream = space["streamed"](6, torch.Generator().manual_seed(4))
    theirs = space["augment"](canvases, stream, **space["PHASES"][0]["augment"])
    assert torch.equal(theirs, augmenter(canvases, torch.Generator().manual_seed(4)))
    experiment = task(network, HEAD, augment=spec, seed=7)
    for left_out, places in (((), rows), ((0, 6), torch.tensor([4, 5, 7, 8, 9, 10]))):
        space = definitions(experiment, left_out=left_out)
        theirs = space["augment"](canvases, space["drawn"](5, rows), **space["PHASES"][0]["augment"])
        assert torch.equal(theirs, augmenter(canvases, drawn(7, 5, places.numpy(), augmenter.numbers)))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12])
@pytest.mark.parametrize("batch", [1, 2, 4])
def test_a_step_is_divided_as_in_the_run(batch: int, count: int) -> None:
    space = definitions(task(ModelSpec("mnist_cnn", "none"), HEAD, batch_size=batch, accumulate=3))
    group = torch.arange(count)
    parts, _, _ = EpochBatching(batch, 3, ALONE).micro_batches(group, 1)
    theirs = [part for step in group.split(space["STEP"]) for part in space["micro_batches"](step)]
    assert [part.tolist() for part in theirs] == [part.tolist() for part in parts]


@pytest.mark.parametrize(
    "phase",
    [
        Phase("a", "plan", 1, weight_decay=0.01, stage_decay=0.5),
        Phase("a", "plan", 1, "adam", options=(("eps", 1e-7), ("amsgrad", True))),
        Phase("a", "plan", 1, "sgd", nesterov=True, momentum=0.8),
        Phase("a", "plan", 1, "sgd", options=(("foreach", True),)),
        Phase("a", "plan", 1, "rmsprop"),
        Phase("a", "plan", 1, "adagrad"),
        Phase("a", "plan", 1, "NAdam", options=(("momentum_decay", 0.1),)),
        Phase("a", "plan", 1, "Rprop"),
    ],
    ids=lambda phase: phase.optimizer,
)
@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_the_optimizer_is_made_as_in_the_run(phase: Phase, device: str) -> None:
    spec = ModelSpec("resnet18", "none", image_size=48)
    network = assemble(spec, ("a", "b", "c"), seed=3)
    plan = FreezePlan(1)
    freeze.apply(network.model, network.anatomy, plan)
    ours = build_optimizer(phase, network.model, network.anatomy)
    space = definitions(task(spec, phase, freeze=plan, device=device))
    model = space["build"]()
    space["freeze"](model, space["PHASES"][0])
    theirs = space["make_optimizer"](model, space["PHASES"][0])
    assert type(theirs) is type(ours)
    assert {key: value or None for key, value in theirs.defaults.items()} == {
        key: value or None for key, value in ours.defaults.items()
    }
    assert len(theirs.param_groups) == len(ours.param_groups) > 2
    for own, other in zip(ours.param_groups, theirs.param_groups, strict=True):
        assert own["lr"] == other["lr"]
        assert own.get("weight_decay", 0.0) == other["weight_decay"]
        assert all(torch.equal(a, b) for a, b in zip(own["params"], other["params"], strict=True))


def test_each_phase_has_its_own_number_format() -> None:
    phases = (HEAD, Phase("one", "plan", 1), Phase("two", "plan", 1))

    def formats(status: RunStatus, **training: Any) -> list[bool]:
        rows = definitions(task(ModelSpec("resnet18", "none"), *phases, **training), status=status)["PHASES"]
        return [row["bf16"] for row in rows]

    known = {"precision": "auto", "precisions": ("fp32", "bf16", "fp32")}
    assert formats(RunStatus(precision="fp32"), **known) == [False, True, False]
    assert formats(RunStatus(precision="bf16"), precision="auto") == [True] * 3, "a run before all were recorded"
    assert formats(RunStatus(precision="bf16"), precision="auto", precisions=("fp32",)) == [False, True, True]
    assert formats(RunStatus(precision="fp32"), precision="bf16") == [True] * 3
    text = program.write(task(ModelSpec("resnet18", "none"), *phases, **known), ("a", "b"), RunStatus(precision="fp32"))
    assert "left open; fp32 in head, bf16 in one, fp32 in two is taken" in " ".join(text.split())
    assert "bf16" not in program.write(
        task(ModelSpec("resnet18", "none"), HEAD), ("a", "b"), RunStatus(precision="bf16")
    )


def test_handed_on_weights_leave_out_a_head_for_other_classes(tmp_path: Path) -> None:
    other = assemble(ModelSpec("mnist_cnn", "none"), ("x", "y"), seed=1)
    save(other.model, tmp_path / program.START)
    where = {"__file__": str(tmp_path / "again.py")}
    theirs = other.model.state_dict()
    for copied in (True, False):
        found = built(ModelSpec("mnist_cnn", "run:some"), ("a", "b"), copy_head=copied, space=where)
        assert torch.equal(found["conv1.weight"], theirs["conv1.weight"])
        assert torch.equal(found["classifier.weight"], theirs["classifier.weight"]) == copied
    torch.save({"state_dict": theirs}, tmp_path / "start.pt")
    found = built(ModelSpec("mnist_cnn", "file:/other.pt"), ("a", "b"), space=where)
    assert all(torch.equal(value, theirs[name]) for name, value in found.items())


@pytest.mark.slow
def test_every_family_of_the_catalogue_can_be_written() -> None:
    """One of each family: the rest differs in its numbers alone."""
    seen: set[str] = set()
    for name, row in catalog.BACKBONES.items():
        if row.family in seen or row.parameters > 60_000_000:
            continue
        seen.add(row.family)
        definitions(task(ModelSpec(name, "none"), HEAD))
    assert len(seen) > 10
