"""Verbs that train and judge."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.output import Output, share, table
from core.cli.shared import gentle_stop, roots
from core.errors import InputError
from core.runs.store import RunStore
from core.specs import AugmentSpec, DataSpec, Experiment, FreezePlan, TrainingSpec
from core.training.recipes import make_recipe

if TYPE_CHECKING:
    from core.models.anatomy import Anatomy


def train(arguments: argparse.Namespace, output: Output) -> int:
    """Trains a new run, or one whose folder was made before, in the foreground."""
    from core.lab.worker import work

    if arguments.run:
        run = RunStore(arguments.runs_dir).open(arguments.run)
    else:
        run = RunStore(arguments.runs_dir).create(_experiment(arguments))
    output.progress(f"run {run.id}")

    def ask() -> None:
        output.progress("stopping after this step; the best weights are kept")
        run.request_stop()

    with gentle_stop(lambda: run.stop_requested, ask):
        status = work(run, lambda record: _show(record, output), roots=roots(arguments))
    keys = (
        "best_epoch", "best_val_accuracy", "val_accuracy", "test_accuracy", "seconds", "images_per_second",
        "trainable_parameters", "total_parameters", "state",
    )  # fmt: skip
    record = {"run": run.id, "path": str(run.path), **{key: status.get(key) for key in keys}}
    lines = [
        f"{status['state']}: {run.path}",
        f"best epoch {record['best_epoch']}: validation accuracy {share(record['val_accuracy'])}, "
        f"test accuracy {share(record['test_accuracy'])}",
    ]
    output.result(record, lines)
    return 0


def evaluate(arguments: argparse.Namespace, output: Output) -> None:
    """Judges a run on its own held-out images, or on others."""
    from core.lab import evaluate as judging

    run = RunStore(arguments.runs_dir).open(arguments.run)
    found = judging.evaluate(run, arguments.data)
    scores = found.scores
    rows = [(c.name, f"{c.precision:.3f}", f"{c.recall:.3f}", f"{c.f1:.3f}", c.support) for c in scores.per_class]
    lines = [
        f"{found.split}: {scores.images} images, accuracy {share(scores.accuracy)} "
        f"(always naming the largest class: {share(scores.baseline)})",
        "",
        *table(rows, ("class", "precision", "recall", "F1", "images")),
        *(f"left out: {image.reason}" for image in found.unreadable),
    ]
    record = {
        **scores.as_record(),
        "run": run.id,
        "split": found.split,
        "classes": list(found.predictions.classes),
        "unreadable": [{"key": image.key, "reason": image.reason} for image in found.unreadable],
    }
    output.result(record, lines)


def predict(arguments: argparse.Namespace, output: Output) -> None:
    """Classifies images."""
    from core.data.images import open_image
    from core.evaluation.predictions import predict_images
    from core.lab.networks import load_network

    if arguments.top_k < 1:
        raise InputError("--top-k is {value}. It must be at least 1.", value=arguments.top_k)
    images = [open_image(Path(path)) for path in arguments.images]
    network = load_network(arguments.run, runs_dir=arguments.runs_dir)
    probabilities = predict_images(network, images)
    answers, lines = [], []
    for path, row in zip(arguments.images, probabilities, strict=True):
        order = row.argsort()[::-1][: arguments.top_k]
        top = [{"class": network.classes[index], "probability": float(row[index])} for index in order]
        answers.append({"image": path, "top": top})
        lines.append(f"{path}: " + ", ".join(f"{answer['class']} {share(answer['probability'])}" for answer in top))
    output.result({"predictions": answers}, lines)


def _experiment(arguments: argparse.Namespace) -> Experiment:
    """Turns the words into an experiment, and checks what can be checked before a run is made."""
    from core.cli import words
    from core.data.embedded import EMBEDDED
    from core.data.sources import open_dataset
    from core.lab.networks import weights_file
    from core.models.catalog import entries
    from core.models.network import outline
    from core.training.optim import stage_rates

    for word in ("data", "backbone"):
        if not getattr(arguments, word):
            raise InputError("train needs --{word} (or --run with a run's folder).", word=word)
    source = arguments.data
    if source.partition("?")[0] not in EMBEDDED:
        source = str(Path(source).expanduser().absolute())
    dataset = open_dataset(source, roots=roots(arguments), seed=arguments.seed)
    spec = words.model(arguments, arguments.weights or "default")
    anatomy = outline(spec, dataset.classes).anatomy
    freeze = words.plan(arguments.freeze, anatomy, arguments.norm)
    gradual = words.schedule(arguments.gradual, anatomy, arguments.norm)
    pretrained = spec.weights != "none" and (bool(entries(spec.backbone)) or ":" in spec.weights)
    preset = arguments.preset or _preset(anatomy, freeze, gradual=bool(gradual), pretrained=pretrained)
    recipe = make_recipe(
        preset,
        epochs=arguments.epochs,
        lr=arguments.lr,
        optimizer=arguments.optimizer,
        unfreeze_stages=arguments.unfreeze_stages,
        weights=arguments.weights,
        freeze=freeze,
        rates=words.rates(arguments),
        gradual=gradual,
    )
    for phase in recipe.phases:
        stage_rates(phase, anatomy)
    spec = replace(spec, weights=recipe.weights if pretrained or arguments.weights else "none")
    weights_file(spec, arguments.runs_dir, roots(arguments))
    return Experiment(
        data=DataSpec(source, arguments.val_share, arguments.test_share, arguments.seed, arguments.images_per_class),
        model=spec,
        training=TrainingSpec(
            preset, recipe.phases, arguments.batch_size, arguments.seed, arguments.device, arguments.precision
        ),
        freeze=recipe.freeze,
        augment=AugmentSpec.preset(arguments.augment),
        name=arguments.name,
    )


def _preset(anatomy: Anatomy, plan: FreezePlan | None, *, gradual: bool, pretrained: bool) -> str:
    """Returns the recipe that a freeze plan asks for; from random weights, everything learns where nothing is said."""
    from core.models.freeze import is_linear_probe

    if gradual:
        return "gradual"
    if plan is None:
        return "linear-probe" if pretrained else "scratch"
    if is_linear_probe(anatomy, plan):
        return "linear-probe"
    whole = plan.trainable_stages == "all" and not plan.hold and plan.learns == "all"
    return "two-phase" if not whole else "full" if pretrained else "scratch"


def _show(record: dict[str, Any], output: Output) -> None:
    """Turns an event into a line of progress."""
    event = record["event"]
    if event == "waiting":
        output.progress(f"waiting for the device, {record['ahead']} run(s) ahead")
    elif event == "progress":
        output.progress(f"{record['doing']}: {record['done']} of {record['total']}", passing=True)
    elif event == "phasestarted":
        cached = ", on features computed once" if record["cached"] else ""
        output.progress(
            f"phase {record['phase']}: {record['trainable_parameters']:,} values learn, {record['precision']}{cached}"
        )
    elif event == "step":
        output.progress(
            f"epoch {record['epoch']}, step {record['step']}: loss {record['loss']:.4f}, "
            f"{record['images_per_second']:.0f} images/s",
            passing=True,
        )
    elif event == "epochend":
        output.progress(
            f"epoch {record['epoch']}: loss {record['train_loss']:.4f} / {record['val_loss']:.4f}, accuracy "
            f"{share(record['train_accuracy'])} / {share(record['val_accuracy'])} (train / val), "
            f"{record['seconds']:.2f} s" + (", best so far" if record["improved"] else "")
        )
