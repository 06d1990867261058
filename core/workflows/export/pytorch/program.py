"""A run as a program of its own: one readable file of plain PyTorch that trains the same again, without this project.

The program holds only what the run uses. It draws its chance as the training loop does
(:mod:`core.training.loop.trainer`), so that on a CPU in the same precision it reaches the same losses; what it cannot
repeat stands at its top.
"""

from __future__ import annotations

import csv
import functools
import io
import shlex
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO

from core.data.embedded import EMBEDDED
from core.data.sources import Dataset, open_dataset
from core.data.splits import split
from core.errors import InputError
from core.runs.store import Run
from core.specs import AugmentSpec, Experiment
from core.workflows.export.pytorch import images, learning, loop, network
from core.workflows.export.pytorch.network import START, Part
from core.workflows.export.pytorch.text import constant, joined

__all__ = ["SPLIT", "START", "command", "export", "script", "ships_with_app", "split_csv"]

SPLIT = "split.csv"
"""What the file with the division is called beside the program."""


def script(source: Run | Experiment, *, roots: Sequence[Path] | None = None) -> str:
    """Writes the program that repeats a run, or carries out an experiment.

    Args:
        source: The run, whose record says precision, batch and classes; or an experiment before it is launched.
        roots: Folders that images may be read under, where only they tell the classes; ``None`` for no limit.

    Returns:
        Python source: ``python FILE --data FOLDER``, with ``split.csv`` (:func:`split_csv`) beside it.

    Raises:
        InputError: The network cannot be built, or the images that tell its classes are not there.
    """
    experiment = source.experiment if isinstance(source, Run) else source
    status = source.status() if isinstance(source, Run) else {}
    classes = source.classes() if isinstance(source, Run) else ()
    classes = classes or _dataset(experiment, roots).classes
    batch = experiment.training.batch_size
    size = int(status.get("batch_size") or 32) if batch == "auto" else int(batch)
    precision = experiment.training.precision
    if precision == "auto":
        precision = str(status.get("precision") or "fp32")
    runs_dir = source.path.parent if isinstance(source, Run) else None
    built, shape = network.write(experiment.model, classes, copy_head=_same_classes(experiment, classes, runs_dir))
    augments = _augments(experiment)
    parts = (
        images.write(shape.preprocessing, augments, exported=ships_with_app(experiment)),
        built,
        learning.phases(experiment, shape, augments),
        learning.choosing(experiment),
        learning.scheduling(experiment),
        learning.loss(experiment.training.loss, experiment.training.mix),
        learning.mixing(experiment.training.mix),
        learning.averaging(experiment.training.ema),
        loop.write(experiment, augmented=bool(augments), precision=precision),
    )
    settings = [constant("CLASSES", list(classes)), f"SEED = {experiment.training.seed}", f"BATCH = {size}"]
    if experiment.training.accumulate > 1:
        settings.append(f"ACCUMULATE = {experiment.training.accumulate}  # batches that make one step")
    title = source.name if isinstance(source, Run) else experiment.name
    device = str(status.get("device") or experiment.training.device)
    remarks = _remarks(experiment, precision, batch=size, device=device)
    remarks += [text for part in parts for text in part.remarks]
    head = _docstring(title, experiment, shape.anatomy.total, remarks)
    code = joined(_imports(parts) + "\n\n" + "\n".join(settings), *(part.code for part in parts))
    return f"{head}\n\n{code}\n"


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
    dataset = split(_dataset(experiment, roots), experiment.data)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("key", "label", "split"))
    writer.writerows((item.key, dataset.classes[item.label], item.split) for item in dataset.items)
    return text.getvalue()


def ships_with_app(source: Run | Experiment) -> bool:
    """Whether the images are an embedded set, which the program cannot read before they were exported."""
    experiment = source.experiment if isinstance(source, Run) else source
    return experiment.data.source.partition("?")[0] in EMBEDDED


def export(
    source: Run | Experiment,
    target: IO[bytes],
    *,
    roots: Sequence[Path] | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> int:
    """Writes the images of an embedded set into a zip archive, as the PNG files that the program reads.

    Args:
        source: Whose images.
        target: Where the archive goes.
        roots: Folders that images may be read under; ``None`` for no limit.
        progress: Told how many images are written, and how many there are.

    Returns:
        Number of images.
    """
    experiment = source.experiment if isinstance(source, Run) else source
    dataset = _dataset(experiment, roots)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for place, item in enumerate(dataset.items, start=1):
            file = io.BytesIO()
            dataset.load(place - 1).save(file, "PNG")
            archive.writestr(f"{item.key}.png", file.getvalue())
            progress(place, len(dataset))
    return len(dataset)


def _dataset(experiment: Experiment, roots: Sequence[Path] | None) -> Dataset:
    spec = experiment.data
    return open_dataset(spec.source, roots=roots, seed=spec.seed, images_per_class=spec.images_per_class)


def _augments(experiment: Experiment) -> list[AugmentSpec]:
    found = [experiment.augmentation(phase) for phase in experiment.training.phases]
    return list(dict.fromkeys(spec for spec in found if spec.active))


def _same_classes(experiment: Experiment, classes: Sequence[str], runs_dir: Path | None) -> bool:
    """Whether handed-on weights tell the same classes apart, as far as is known."""
    from core.workflows.network_loading import weights_source

    try:
        handed = weights_source(experiment.model, runs_dir)
    except InputError:  # gone since: the program says where it lay
        return True
    return handed is None or not handed.classes or handed.classes == tuple(classes)


def _remarks(experiment: Experiment, precision: str, *, batch: int, device: str) -> list[str]:
    training = experiment.training
    found = []
    if ships_with_app(experiment):
        found.append(
            f"The images ({experiment.data.source}) ship with Backbone Lab. Export them there (“Do it again elsewhere” "
            "on the page of the run) and unpack the archive into the folder given as --data."
        )
    if training.batch_size == "auto":
        found.append(f"The batch size was left open; {batch} is taken.")
    if training.precision == "auto":
        found.append(f"The precision was left open; {precision} is taken.")
    if device != "cpu" or precision != "fp32":
        found.append("On a GPU, and in bf16 anywhere, sums are rounded in another order: figures agree roughly only.")
    if training.views and _augments(experiment):
        found.append(f"The run drew {training.views} views of each image and used them in turn; here each is new.")
    if training.mix.active and any(_head_alone(experiment, index) for index in range(len(training.phases))):
        found.append(
            "Where the head alone learns, the run mixed the features that enter it; here images are mixed, so the "
            "figures of these phases differ a little."
        )
    if training.compile:
        found.append("The run translated the network with torch.compile, which changes its speed only; it is left out.")
    return found


def _head_alone(experiment: Experiment, index: int) -> bool:
    plan = experiment.plan(experiment.training.phases[index])
    return plan.trainable_stages == 0 and not plan.thaw and plan.norm == "eval"


def _docstring(title: str, experiment: Experiment, total: int, remarks: Sequence[str]) -> str:
    import textwrap

    wrap = functools.partial(textwrap.wrap, break_on_hyphens=False, break_long_words=False)  # ids stay whole
    training = experiment.training
    name = " ".join((title or "An experiment").replace("\\", "/").replace('"', "'").split())
    lines = [
        f'"""{name}: trained again with PyTorch alone.',
        "",
        f"{experiment.model.backbone} ({total:,} parameters), recipe {training.preset}, {training.epochs} epochs of "
        f"{len(training.phases)} phase(s), seed {training.seed}. Written by Backbone Lab; it needs nothing of it.",
        "",
        f"    python FILE --data FOLDER    # beside it: {SPLIT}; images are named there relative to FOLDER",
        "",
        "It needs torch, torchvision, pillow and numpy, and keeps all images in memory.",
    ]
    if remarks:
        lines += ["", "Before you start:"]
    text: list[str] = []
    for line in lines:
        text += [line] if line.startswith(("    ", '"""')) or not line else wrap(line, 110)
    for remark in remarks:
        safe = remark.replace("\\", "/").replace('"""', "'''")
        text += wrap(safe, 108, initial_indent="- ", subsequent_indent="  ")
    return "\n".join([*text, '"""'])


def _imports(parts: Iterable[Part]) -> str:
    """Returns the import lines: what Python brings, and then the packages; names from one module on one line."""
    plain: set[str] = set()
    named: dict[str, set[str]] = {}
    for part in parts:
        for line in part.imports:
            if line.startswith("import "):
                plain.add(line)
            else:
                module, _, names = line.removeprefix("from ").partition(" import ")
                named.setdefault(module, set()).update(name.strip() for name in names.split(","))
    lines = [*sorted(plain), *(f"from {module} import {', '.join(sorted(named[module]))}" for module in sorted(named))]
    own = ("argparse", "csv", "json", "math", "os", "collections", "concurrent", "functools", "pathlib")
    groups: tuple[list[str], list[str]] = ([], [])
    for line in lines:
        groups[line.split()[1].split(".")[0] not in own].append(line)
    return "\n\n".join("\n".join(group) for group in groups if group)
