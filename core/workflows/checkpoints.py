"""A run's network at a moment of its training: before it, after an epoch, at its best, at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.errors import InputError
from core.models.network import Network, blank, fill, load_into
from core.runs.store import Run, RunStore
from core.training.checkpoints.checkpoint import BEST, LAST
from core.training.checkpoints.epoch_weights import kept_epochs, kept_file, kept_state
from core.workflows.network_loading import build_network, is_backbone, load_network, network_of_run

MOMENTS = ("start", "best", "last")
"""The moments that have a name; any other is the number of an epoch, such as ``12``."""


def moments_of(run: Run) -> tuple[str, ...]:
    """Returns the named moments of a run that there are weights of; before training there always are."""
    there = ["start"]
    if (run.path / BEST).is_file():
        there.append("best")
    if (run.path / LAST).is_file():
        there.append("last")
    return tuple(there)


def epochs_of(run: Run) -> list[int]:
    """Returns the epochs of a run whose weights are kept, in order; see ``epoch_weights``."""
    return kept_epochs(run.path) if (run.path / LAST).is_file() else []


def is_moment(name: str) -> bool:
    """Whether a word means a moment: a named one, or the number of an epoch."""
    return name in MOMENTS or (name.isascii() and name.isdigit())


def weights_at(run: Run, moment: str) -> Path | None:
    """Returns the file that a run's weights at a moment are read from; ``None`` before training."""
    if moment == "start":
        return None
    return run.path / f"{moment}.safetensors" if moment in MOMENTS else kept_file(run.path, int(moment))


def network_at(run: Run, moment: str = "best", *, roots: Sequence[Path] | None = None) -> Network:
    """Returns a run's network as it was at a moment, in eval mode on the CPU.

    Args:
        run: The run.
        moment: ``start`` before its first step (its seed makes the same one again), ``best``, ``last``, or the number
            of an epoch, from 1, one of :func:`epochs_of`; where weights are averaged, those of an epoch are the
            average, as it was judged.
        roots: Folders that a file of handed-on weights must lie under.

    Raises:
        InputError: There are no weights of that moment (any more), or the pretrained ones are not to be had here.
        RunMissing: The run is gone.
    """
    if not is_moment(moment):
        raise InputError(
            "There is no moment {name} of a run. Choose one of {known}, or the number of an epoch.",
            name=moment,
            known=", ".join(MOMENTS),
        )
    experiment = run.experiment
    if moment == "best":
        return network_of_run(run)
    if moment == "start":
        network = build_network(
            experiment.model, run.classes(), seed=experiment.training.seed, runs_dir=run.path.parent, roots=roots
        )
        network.model.eval()
        return network
    if not (run.path / LAST).is_file():
        raise InputError("The run {name} kept no weights of its last epoch.", name=run.name)
    network = blank(experiment.model, run.classes())
    if moment == "last":
        load_into(network.model, run.path / LAST)
    else:
        fill(network.model, kept_state(run.path, int(moment)), kept_file(run.path, int(moment)).name)
    network.model.eval()
    return network


def run_named(reference: str, *, runs_dir: Path | str | None = None) -> Run | None:
    """Returns the run that a name of :func:`network_named` belongs to; ``None`` for a backbone.

    Raises:
        InputError: There is neither a run nor a backbone of that name.
    """
    name, _, _ = reference.rpartition("@")
    plain = not name or Path(reference).exists()
    if is_backbone(reference if plain else name):
        return None
    return RunStore(runs_dir).open(reference if plain else name)


def network_named(reference: str, *, weights: str = "default", runs_dir: Path | str | None = None) -> Network:
    """Loads what a person names: a run, a run at a moment (``RUN@start``, ``RUN@12``), or a backbone.

    Args:
        reference: The name; a backbone's may carry its weights (``resnet18@none``).
        weights: For a backbone without any in its name.
        runs_dir: Where run ids are looked up.

    Raises:
        InputError: There is neither a run nor a backbone of that name, or its weights are not to be had.
    """
    name, _, word = reference.rpartition("@")
    if not name or Path(reference).exists():
        return load_network(reference, weights=weights, runs_dir=runs_dir)
    if is_backbone(name):
        return load_network(name, weights=word, runs_dir=runs_dir)
    return network_at(RunStore(runs_dir).open(name), word)
