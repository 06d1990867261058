"""A run as a program of its own: one readable file of plain PyTorch that trains the same again, without this project.

The templates beside this module read as that program; what a run does not use is left out. It draws random numbers in
the order of the training loop (:mod:`core.training.loop.trainer`) and computes in each phase's own number format, so
that on the same kind of machine it reaches the same losses; what it cannot repeat stands at its top.
"""

from __future__ import annotations

import csv
import io
import shlex
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from core.data.embedded import EMBEDDED
from core.data.encoding import png
from core.data.images import margin
from core.data.sources import Dataset, open_spec
from core.errors import InputError
from core.models.network import outline
from core.runs.files import read_json
from core.runs.status import RunStatus
from core.runs.store import Run
from core.specs import Experiment, TrainingSpec
from core.workflows.data_check.dividing import divide
from core.workflows.export.pytorch import learning, network
from core.workflows.export.pytorch.network import START
from core.workflows.export.pytorch.source import render
from core.workflows.images import DATA_FILE, open_source

__all__ = ["SPLIT", "START", "command", "export", "script", "ships_with_app", "split_csv", "write"]

SPLIT = "split.csv"
"""What the file with the division is called beside the program."""


def script(source: Run | Experiment, *, roots: Sequence[Path] | None = None) -> str:
    """Writes the program that repeats a run, or carries out an experiment.

    Args:
        source: The run, whose record holds precision, batch and classes; or an experiment before it is launched.
        roots: Folders that images may be read under, where only they tell the classes; ``None`` for no limit.

    Returns:
        Python source: ``python FILE --data FOLDER``, with ``split.csv`` (:func:`split_csv`) beside it.

    Raises:
        InputError: The network cannot be built, or the images that tell its classes are not there.
    """
    experiment, run = (source.experiment, source) if isinstance(source, Run) else (source, None)
    classes = (run.classes() if run else ()) or _dataset(source, roots).classes
    copy_head = _same_classes(experiment, classes, run.path.parent if run else None)
    status, left_out = (run.status(), _left_out(run)) if run else (RunStatus(), ())
    return write(experiment, classes, status, title=source.name, copy_head=copy_head, left_out=left_out)


def write(
    experiment: Experiment,
    classes: Sequence[str],
    status: RunStatus,
    *,
    title: str = "",
    copy_head: bool = True,
    left_out: Sequence[int] = (),
) -> str:
    """Writes the program of an experiment, without a look at a run's folder or at images.

    Args:
        experiment: What it does.
        classes: Names of the classes, in the order of the logits.
        status: What a run found where the experiment leaves it open: ``batch_size``, ``precision``, ``device``.
        title: Name of the run; empty for that of the experiment.
        copy_head: Whether handed-on weights come from a network with the same classes, as far as is known.
        left_out: Places of images that the run could not read, among all that were listed.

    Raises:
        InputError: The network cannot be built.
    """
    training, shape = experiment.training, outline(experiment.model, classes)
    precisions = _precisions(training, status)
    formats = ", ".join(f"{one} in {phase.name}" for one, phase in zip(precisions, training.phases, strict=True))
    context = {
        "title": title or experiment.name or "An experiment",
        "parameters": shape.anatomy.total,
        "data": experiment.data,
        "exported": ships_with_app(experiment),
        "classes": list(classes),
        "batch": (status.batch_size or 32) if training.batch_size == "auto" else training.batch_size,
        "precision": formats if len(set(precisions)) > 1 else precisions[0],
        "device": status.device or training.device,
        "margin": margin(shape.preprocessing),
        "left_out": list(left_out),
    }
    context |= network.context(experiment.model, shape, copy_head=copy_head)
    return render(context | learning.context(experiment, shape, precisions))


def command(run: Run) -> str:
    """Returns the command that trains a run again, with this project."""
    return f"python -m core train --experiment {shlex.quote(str(run.path / 'experiment.json'))}"


def split_csv(source: Run | Experiment, *, roots: Sequence[Path] | None = None) -> str:
    """Returns which image stands in which split, as the program reads it: the run's own, or the one it would get.

    Raises:
        InputError: The images are not there.
    """
    if isinstance(source, Run) and source.split_rows():
        return (source.path / SPLIT).read_bytes().decode("utf-8")
    experiment = source.experiment if isinstance(source, Run) else source
    dataset = divide(_dataset(source, roots), experiment.data)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("key", "label", "split"))
    writer.writerows((item.key, dataset.classes[item.label], item.split) for item in dataset.items)
    return text.getvalue()


def ships_with_app(source: Run | Experiment) -> bool:
    """Whether the images are an embedded set, which the program cannot read before they were exported."""
    experiment = source.experiment if isinstance(source, Run) else source
    return experiment.data.source.partition("?")[0] in EMBEDDED


def export(source: Run | Experiment, target: IO[bytes], *, roots: Sequence[Path] | None = None) -> int:
    """Writes the images of an embedded set into a zip archive, as the PNG files that the program reads.

    Args:
        source: Whose images.
        target: Where the archive goes.
        roots: Folders that images may be read under; ``None`` for no limit.

    Returns:
        Number of images.
    """
    dataset = _dataset(source, roots)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for place, item in enumerate(dataset.items):
            archive.writestr(f"{item.key}.png", png(dataset.load(place), repeats=True))
    return len(dataset)


def _dataset(source: Run | Experiment, roots: Sequence[Path] | None) -> Dataset:
    return open_source(source, roots=roots) if isinstance(source, Run) else open_spec(source.data, roots=roots)


def _left_out(run: Run) -> list[int]:
    rows = read_json(run.path / DATA_FILE).get("left_out")
    return [int(row[0]) for row in rows] if isinstance(rows, list) else []


def _same_classes(experiment: Experiment, classes: Sequence[str], runs_dir: Path | None) -> bool:
    """Whether handed-on weights tell the same classes apart, as far as is known."""
    from core.workflows.network_loading import weights_source

    try:
        handed = weights_source(experiment.model, runs_dir)
    except InputError:  # gone since: the program says where it lay
        return True
    return handed is None or not handed.classes or handed.classes == tuple(classes)


def _precisions(training: TrainingSpec, status: RunStatus) -> list[str]:
    """Returns the number format of each phase; of a run before they were all recorded, its last one stands for all."""
    if training.precision != "auto":
        return [training.precision] * len(training.phases)
    last = status.precision or "fp32"
    known = training.precisions[: len(training.phases)]
    return [*known, *[last] * (len(training.phases) - len(known))]
