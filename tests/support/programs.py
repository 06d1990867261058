"""Runs whose programs are tested: what they do, and a program's definitions by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.runs.status import RunStatus
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
from core.workflows.export.pytorch import program

SHAPES = "shapes?per_class=14&size=48"
HOSTILE = 'x """ \\ \' \n import os; {{ 7 * 7 }} {% raw %} #? 0 \0\u202e\udce9\x1b'


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
        sampler="oversample",
    ),
    "every option": task(
        ModelSpec("five_classes_cnn", "none", image_size=48),
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
        sampler="weighted",
        acts=(LiveChange(2, "rate", 0.5), LiveChange(6, "unfreeze", 1), LiveChange(13, "extend", 1, phase=1)),
    ),
}


def definitions(experiment: Experiment, classes: tuple[str, ...] = ("a", "b", "c"), **more: Any) -> dict[str, Any]:
    """Carries out the definitions of a program; returns them by name."""
    space: dict[str, Any] = {"__name__": "again", "__file__": "elsewhere/again.py", **more.pop("space", {})}
    exec(program.write(experiment, classes, more.pop("status", RunStatus()), **more), space)
    return space
