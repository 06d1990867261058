"""The shortcut lab: plant a mark on one class, train with and without it, and see what the network really learned.

Three runs learn from the same pictures. For the first, pictures of one class carry a mark; for the second, none do;
both train a small network from nothing. The third trains a new head on a pretrained network, with marks. All are then
judged on test pictures three times over: marked as in training, without any mark, and with the mark on the other
classes. Loads no torch; :mod:`core.workflows.shortcut.judge` does the judging.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from core import settings
from core.data.dataset import Dataset, shuffle_key
from core.data.marks import MIN_MARK_PX, Mark, planted
from core.data.sources import open_spec
from core.errors import InputError
from core.messages import Progress
from core.runs.launch import start
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, ModelSpec, Piece, TrainingSpec
from core.specs.checks import number, whole
from core.training.recipes import make_recipe
from core.workflows.data_check.dividing import divide

WITH, WITHOUT, PRETRAINED = "with-mark", "without-mark", "pretrained"
ARMS = (WITH, WITHOUT, PRETRAINED)
BACKBONE = "efficientnet_lite0"
SMALL = (
    *(
        piece
        for size in (16, 32, 64)
        for piece in (
            Piece("conv", size=size, kernel=3, padding=1),
            Piece("batch-norm"),
            Piece("relu"),
            Piece("max-pool", kernel=2),
        )
    ),
    Piece("conv", size=64, kernel=3, padding=1),
    Piece("batch-norm"),
    Piece("relu"),
    Piece("global-average-pool"),
)
"""Four convolutions that learn from nothing within seconds."""
IMAGE_SIDE = 256
"""Largest side of the pictures that are written, in pixels."""
TELLING = {"mnist": "8"}
"""Classes to mark where a person has no wish: an 8 takes a look to be told from a 0, which a 1 hardly does."""
_PLAN = "plan.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is tried.

    Attributes:
        source: Name of an embedded data set, or a folder's path.
        marked: Name of the class whose pictures carry the mark; empty for the usual one, see :func:`usual`.
        mark: The mark.
        share: Share of that class's training pictures that carry it.
        classes: Classes that take part, the marked one among them.
        images_per_class: Pictures of each class, at most.
        epochs: Epochs of the small network.
        seed: Seed of the choice, the division and the training.
    """

    source: str = "mnist"
    marked: str = ""
    mark: Mark = field(default_factory=Mark)
    share: float = 1.0
    classes: int = 2
    images_per_class: int = 100
    epochs: int = 25
    seed: int = 0

    def __post_init__(self) -> None:
        number("share", self.share, low=0.0, high=1.0, above=True)
        whole("images_per_class", self.images_per_class, low=8, high=2000)
        whole("classes", self.classes, low=2, high=10)
        whole("epochs", self.epochs, low=1, high=200)

    @property
    def data(self) -> DataSpec:
        """The pictures that are chosen from, and their division."""
        return DataSpec(
            self.source, val_share=0.15, test_share=0.3, seed=self.seed, images_per_class=self.images_per_class
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """The pictures of all runs, written.

    Attributes:
        folder: Holds a folder for each of :data:`WITH` and :data:`WITHOUT`, with train, val and test below it.
        plan: The plan, its marked class named.
        classes: The classes, in order.
    """

    folder: Path
    plan: Plan
    classes: tuple[str, ...]

    def source(self, arm: str) -> str:
        """Returns the folder of one of the runs."""
        return str(self.folder / (WITHOUT if arm == WITHOUT else WITH))


def usual(source: str, classes: Sequence[str]) -> str:
    """Returns the class that carries the mark where a person has no wish: one that is worth a look, or the first."""
    return TELLING[source] if TELLING.get(source) in classes else classes[0]


def choice(plan: Plan, *, roots: Sequence[Path] | None = None) -> tuple[Dataset, str]:
    """Returns the pictures that a plan works on, divided, and the marked class.

    Of more classes than the plan wants, the marked one and the first others are taken.

    Raises:
        InputError: The pictures are not there, or there is no such class.
    """
    dataset = divide(open_spec(plan.data, roots=roots), plan.data)
    marked = plan.marked or usual(plan.source, dataset.classes)
    if marked not in dataset.classes:
        raise InputError(
            "There is no class {name} to put the mark on. There are: {known}.",
            name=marked,
            known=", ".join(dataset.classes[:10]),
        )
    others = [name for name in dataset.classes if name != marked][: plan.classes - 1]
    kept = [name for name in dataset.classes if name == marked or name in others]
    dataset = dataset.subset(i for i, item in enumerate(dataset.items) if dataset.classes[item.label] in kept)
    return dataset.relabelled(kept), marked


def prepare(
    plan: Plan, *, roots: Sequence[Path] | None = None, under: Path | None = None, progress: Progress | None = None
) -> Prepared:
    """Writes the pictures of all runs below the first data folder; what was written before is used again, if whole.

    Args:
        plan: What is tried.
        roots: Folders that pictures may be read under; ``None`` for no limit.
        under: Folder to write under; by default a hidden one in the first data folder, which is not offered.
        progress: Called with pictures written and in all; what it raises ends the work and leaves nothing behind.

    Raises:
        InputError: The pictures cannot be read, too few of a class are left, or the folder cannot be written.
    """
    dataset, marked = choice(plan, roots=roots)
    plan = dataclasses.replace(plan, marked=marked)
    base = under or settings.lab_dirs()[0]
    folder = base / f"{_slug(dataset.title)}-{_slug(marked)}-{_digest(plan, dataset)}"
    prepared = Prepared(folder, plan, dataset.classes)
    if _whole(folder):
        return prepared
    partial = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")  # two people may write at once
    try:
        count = _write_all(partial, dataset, plan, progress)
        record = {**dataclasses.asdict(plan), "pictures": count}
        (partial / _PLAN).write_text(json.dumps(record, indent=2), encoding="utf-8")
        if not _whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
    except OSError as error:
        raise InputError("{path} cannot be written: {reason}.", path=folder, reason=error.strerror) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return prepared


def _whole(folder: Path) -> bool:
    """Tells whether the pictures were written and all of them are still there."""
    try:
        wanted = json.loads((folder / _PLAN).read_text(encoding="utf-8"))["pictures"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(wanted == sum(1 for _ in folder.rglob("*.png")))


def carries_mark(plan: Plan, key: str, label: str, part: str) -> bool:
    """Tells whether a picture carries the mark: all test pictures of the class do, and a share of the rest."""
    if label != plan.marked:
        return False
    drawn = int.from_bytes(shuffle_key(plan.seed, f"mark {key}")[:4], "big") / 2**32
    return part == "test" or drawn < plan.share


def square(image: Image.Image) -> Image.Image:
    """Returns the middle square of a picture, at most :data:`IMAGE_SIDE` wide."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    cut = image.crop((left, top, left + side, top + side))
    return cut.resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.LANCZOS) if side > IMAGE_SIDE else cut


def experiments(prepared: Prepared, *, device: str = "auto") -> dict[str, Experiment]:
    """Returns what each of :data:`ARMS` trains."""
    plan = prepared.plan
    scratch, probe = make_recipe("scratch", epochs=plan.epochs), make_recipe("linear-probe", epochs=12)
    small = ModelSpec("own", "none", image_size=64, channels=3, design=SMALL)
    lite = ModelSpec(BACKBONE, probe.weights, image_size=128)
    chosen = {WITH: (small, scratch), WITHOUT: (small, scratch), PRETRAINED: (lite, probe)}
    names = {
        WITH: "Shortcut: {marked} with mark",
        WITHOUT: "Shortcut: {marked} without mark",
        PRETRAINED: "Shortcut: {marked} with mark, pretrained",
    }
    return {
        arm: Experiment(
            DataSpec(prepared.source(arm), seed=plan.seed),
            model,
            TrainingSpec(recipe.preset, recipe.phases, seed=plan.seed, device=device),
            freeze=recipe.freeze,
            name=names[arm].format(marked=plan.marked)[:120],
        )
        for arm, (model, recipe) in chosen.items()
    }


def begin(
    prepared: Prepared,
    *,
    skip: Sequence[str] = (),
    device: str = "auto",
    runs_dir: Path | str | None = None,
    roots: Sequence[Path] | None = None,
    owner: str = "",
) -> dict[str, Run]:
    """Starts the runs, each in a process of its own, the marked one first; they queue for the device.

    Args:
        prepared: The pictures.
        skip: Arms that need no run.
        device: ``auto``, ``cpu``, ``cuda``, ...
        runs_dir: Folder of the runs.
        roots: Folders that pictures may be read under; ``None`` for no limit.
        owner: Who starts them; owners take turns.

    Raises:
        InputError: A process cannot be started.
    """
    return {
        arm: start(experiment, runs_dir, roots=roots, owner=owner)
        for arm, experiment in experiments(prepared, device=device).items()
        if arm not in skip
    }


def earlier(prepared: Prepared, runs_dir: Path | str | None = None) -> dict[str, Run]:
    """Returns the newest run of each arm that was started with this plan; an arm without one is missing."""
    wanted = {arm: _identity(experiment) for arm, experiment in experiments(prepared).items()}
    found: dict[str, Run] = {}
    for run in RunStore(runs_dir).list():
        try:
            identity = _identity(run.experiment)
        except InputError:
            continue
        for arm in ARMS:
            if arm not in found and identity == wanted[arm]:
                found[arm] = run
    return {arm: found[arm] for arm in ARMS if arm in found}


def _identity(experiment: Experiment) -> tuple[Any, ...]:
    training = experiment.training
    return experiment.data, experiment.model, experiment.freeze, training.phases, training.seed


def _write_all(folder: Path, dataset: Dataset, plan: Plan, progress: Progress | None) -> int:
    """Writes the pictures of both folders; returns how many files that are. What cannot be used is left out of both.

    Raises:
        InputError: A class has no picture left to train on or to test with.
    """
    written: Counter[tuple[str, str]] = Counter()
    for place, item in enumerate(dataset.items):
        label = dataset.classes[item.label]
        try:
            plain = square(dataset.load(place))
        except InputError:
            continue
        if min(plain.size) < MIN_MARK_PX:
            continue
        marked = planted(plain, plan.mark) if carries_mark(plan, item.key, label, item.split) else plain
        for arm, picture in ((WITH, marked), (WITHOUT, plain)):
            path = folder / arm / item.split / label / f"{place:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path, "PNG", compress_level=1)
            written[label, item.split] += 1
        if progress is not None:
            progress(place + 1, len(dataset))
    for name in dataset.classes:
        if not (written[name, "train"] and written[name, "test"]):
            raise InputError(
                "Of {name} no picture is left to train on, or none to test with. Take more pictures.", name=name
            )
    return written.total()


def _digest(plan: Plan, dataset: Dataset) -> str:
    """Returns a short name of all that decides which pictures are written."""
    keys = [f"{item.split}/{item.key}" for item in dataset.items]
    known = [plan.source, plan.marked, plan.share, plan.seed, dataclasses.asdict(plan.mark), dataset.classes, keys]
    return hashlib.sha256(json.dumps(known).encode("utf-8", "surrogatepass")).hexdigest()[:10]


def _slug(text: str) -> str:
    return (
        "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in text.lower()).strip("-")[:30] or "data"
    )
