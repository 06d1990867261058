"""From what a person names (a run or a backbone) to a network that can be looked into."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from core.errors import InputError
from core.models.catalog.catalog import BACKBONES, TIMM
from core.models.network import Network, assemble, bare, blank, load_into, outline
from core.models.weights.transfer import Transferred, compare
from core.runs.status import LIVE
from core.runs.store import Run, RunStore
from core.specs import ModelSpec

RUN, FILE = "run:", "file:"


class Source(NamedTuple):
    """Where handed-on weights come from.

    Attributes:
        path: The file.
        classes: Classes of the network in it; empty where they are unknown.
    """

    path: Path
    classes: tuple[str, ...]


def weights_source(
    spec: ModelSpec, runs_dir: Path | str | None = None, roots: Sequence[Path] | None = None
) -> Source | None:
    """Finds the file that the weights of ``spec`` are handed on from; ``None`` where they are not.

    Args:
        spec: Its ``weights`` are ``run:ID``, for the best weights of a run, or ``file:PATH``.
        runs_dir: Where run ids are looked up.
        roots: Folders that a file must lie under, links resolved; ``None`` for no limit.

    Raises:
        RunMissing: There is no such run.
        InputError: The run has no weights yet, or the file is not there or lies outside the roots.
    """
    if spec.weights.startswith(RUN):
        run = RunStore(runs_dir).get(spec.weights.removeprefix(RUN))
        _require_weights(run)
        return Source(run.checkpoint, run.classes())
    if not spec.weights.startswith(FILE):
        return None
    path = Path(spec.weights.removeprefix(FILE)).expanduser().absolute()
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError("The weight file {file} does not exist.", file=str(path)) from error
    if roots is not None and not any(real.is_relative_to(Path(root).resolve()) for root in roots):
        raise InputError(
            "The weight file {file} lies outside the folders that may be read here: {roots}. Put it into one of them.",
            file=str(path),
            roots=", ".join(str(root) for root in roots),
        )
    return Source(real, ())


def weights_file(
    spec: ModelSpec, runs_dir: Path | str | None = None, roots: Sequence[Path] | None = None
) -> Path | None:
    """Returns the file of :func:`weights_source`; ``None`` where weights are not handed on."""
    source = weights_source(spec, runs_dir, roots)
    return source.path if source else None


def build_network(
    spec: ModelSpec,
    classes: Sequence[str],
    *,
    seed: int,
    runs_dir: Path | str | None = None,
    roots: Sequence[Path] | None = None,
) -> Network:
    """Builds the network that an experiment asks for, wherever its weights come from.

    Arguments and errors as :func:`weights_source` and :func:`core.models.network.assemble`.
    """
    source = weights_source(spec, runs_dir, roots)
    if source is None:
        return assemble(spec, classes, seed=seed)
    return assemble(spec, classes, seed=seed, source=source.path, source_classes=source.classes)


def compare_weights(
    spec: ModelSpec, classes: Sequence[str], *, runs_dir: Path | str | None = None, roots: Sequence[Path] | None = None
) -> Transferred | None:
    """Returns what the run or file that ``spec`` names has for its network, without building it or reading a value.

    Args:
        spec: The network.
        classes: Names of its classes.
        runs_dir: Where run ids are looked up.
        roots: Folders that a file must lie under.

    Returns:
        What fits and what does not; ``None`` where the weights are not handed on.

    Raises:
        InputError: There is no such run or file, or it is no file of weights.
    """
    source = weights_source(spec, runs_dir, roots)
    if source is None:
        return None
    network = outline(spec, classes)
    same = not source.classes or source.classes == tuple(classes)
    return compare(network.model, source.path, head=network.anatomy.head, copy_head=same)


def network_of_run(run: Run) -> Network:
    """Loads a run's network with its best weights, in eval mode on the CPU.

    Raises:
        InputError: The run has no weights yet, or they are damaged.
        RunMissing: The run is gone.
    """
    experiment = run.experiment
    _require_weights(run)
    network = blank(experiment.model, run.classes())
    load_into(network.model, run.checkpoint)
    network.model.eval()
    return network


def _require_weights(run: Run) -> None:
    if run.has_weights and run.classes():
        return
    if run.state in LIVE:
        raise InputError("The run {name} has no weights yet. Wait for its first epoch to end.", name=run.name)
    raise InputError("The run {name} ended before its first epoch did, so it has no weights.", name=run.name)


def is_backbone(name: str) -> bool:
    """Whether a name is one of the catalogue's, not a run's."""
    return name in BACKBONES or name.startswith(TIMM)


def load_network(
    reference: str | Path,
    *,
    weights: str = "default",
    runs_dir: Path | str | None = None,
    image_size: int | None = None,
) -> Network:
    """Loads the network of a run (by id or path), or a backbone with its own head (by name).

    Args:
        reference: A run's id or path, or a name in the catalogue.
        weights: For a backbone, ``default``, ``none``, or the name of one of its entries.
        runs_dir: Where run ids are looked up.
        image_size: For a backbone, the side of its input in pixels.

    Raises:
        InputError: There is neither a run nor a backbone of that name, or its weights are not to be had.
    """
    name = str(reference)
    if is_backbone(name):
        return bare(name, weights, image_size)
    store = RunStore(runs_dir)
    try:
        run = store.open(reference)
    except InputError as error:
        raise InputError(
            "{name} is neither a run under {root} nor a backbone. See: python -m core runs, python -m core backbones.",
            name=name,
            root=store.root,
        ) from error
    return network_of_run(run)
