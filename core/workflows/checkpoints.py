"""A run's network at a checkpoint: before its training, after an epoch, at its best, at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.errors import InputError
from core.models.network import Network, blank, fill, load_into
from core.runs.store import Run, RunStore
from core.training.checkpoints.checkpoint import BEST, LAST
from core.training.checkpoints.epoch_weights import kept_epochs, kept_file, kept_state
from core.workflows.network_loading import build_network, is_backbone, load_network, network_of_run

NAMED_CHECKPOINTS = ("start", "best", "last")
"""The checkpoints that have a name; any other is the number of an epoch, such as ``12``."""


def named_checkpoints(run: Run) -> tuple[str, ...]:
    """Returns the named checkpoints of a run that have weights; the one before training always has."""
    there = ["start"]
    if (run.path / BEST).is_file():
        there.append("best")
    if (run.path / LAST).is_file():
        there.append("last")
    return tuple(there)


def epochs_of(run: Run) -> list[int]:
    """Returns the epochs of a run whose weights are kept, in order; see ``epoch_weights``."""
    return kept_epochs(run.path) if (run.path / LAST).is_file() else []


def is_checkpoint_name(name: str) -> bool:
    """Whether a name is a checkpoint's: a known name, or the number of an epoch."""
    return name in NAMED_CHECKPOINTS or (name.isascii() and name.isdigit())


def weights_at(run: Run, checkpoint: str) -> Path | None:
    """Returns the file that a checkpoint's weights are read from; ``None`` before training."""
    if checkpoint == "start":
        return None
    return (
        run.path / f"{checkpoint}.safetensors"
        if checkpoint in NAMED_CHECKPOINTS
        else kept_file(run.path, int(checkpoint))
    )


def network_at(run: Run, checkpoint: str = "best", *, roots: Sequence[Path] | None = None) -> Network:
    """Returns a run's network as it was at a checkpoint, in eval mode on the CPU.

    Args:
        run: The run.
        checkpoint: ``start`` before its first step (its seed makes the same one again), ``best``, ``last``, or the
            number of an epoch, from 1, one of :func:`epochs_of`; where weights are averaged, those of an epoch are the
            average, as it was judged.
        roots: Folders that a file of handed-on weights must lie under.

    Raises:
        InputError: There are no weights of that checkpoint (any more), or the pretrained ones are not to be had here.
        RunMissing: The run is gone.
    """
    if not is_checkpoint_name(checkpoint):
        raise InputError(
            "There is no moment {name} of a run. Choose one of {known}, or the number of an epoch.",
            name=checkpoint,
            known=", ".join(NAMED_CHECKPOINTS),
        )
    experiment = run.experiment
    if checkpoint == "best":
        return network_of_run(run)
    if checkpoint == "start":
        network = build_network(
            experiment.model, run.classes(), seed=experiment.training.seed, runs_dir=run.path.parent, roots=roots
        )
        network.model.eval()
        return network
    if not (run.path / LAST).is_file():
        raise InputError("The run {name} kept no weights of its last epoch.", name=run.name)
    network = blank(experiment.model, run.classes())
    if checkpoint == "last":
        load_into(network.model, run.path / LAST)
    else:
        fill(network.model, kept_state(run.path, int(checkpoint)), kept_file(run.path, int(checkpoint)).name)
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


def run_at(reference: str, *, runs_dir: Path | str | None = None) -> tuple[Run, str]:
    """Returns the run and the checkpoint of a reference such as ``RUN``, ``RUN@start`` or ``RUN@12``.

    Raises:
        InputError: There is no such run, or no checkpoint can be called so.
    """
    name, _, suffix = reference.rpartition("@")
    if not name or Path(reference).exists():
        return RunStore(runs_dir).open(reference), "best"
    return RunStore(runs_dir).open(name), suffix


def network_named(reference: str, *, weights: str = "default", runs_dir: Path | str | None = None) -> Network:
    """Loads a named network: a run, a run at a checkpoint (``RUN@start``, ``RUN@12``), or a backbone.

    Args:
        reference: The name; a backbone's may carry its weights (``resnet18@none``).
        weights: For a backbone without any in its name.
        runs_dir: Where run ids are looked up.

    Raises:
        InputError: There is neither a run nor a backbone of that name, or its weights are not to be had.
    """
    name, _, suffix = reference.rpartition("@")
    if not name or Path(reference).exists():
        return load_network(reference, weights=weights, runs_dir=runs_dir)
    if is_backbone(name):
        return load_network(name, weights=suffix, runs_dir=runs_dir)
    return network_at(RunStore(runs_dir).open(name), suffix)
