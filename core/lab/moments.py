"""A run's network at a moment of its training: before it, at its best, at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from core.errors import InputError
from core.lab.networks import build_network, load_network, network_of_run
from core.models.network import Network, blank, load_into
from core.runs.store import Run, RunStore

Moment = Literal["start", "best", "last"]
MOMENTS: tuple[Moment, ...] = get_args(Moment)


def moments_of(run: Run) -> tuple[Moment, ...]:
    """Returns the moments of a run that there are weights of; before training there always are."""
    there: list[Moment] = ["start"]
    if (run.path / "best.safetensors").is_file():
        there.append("best")
    if (run.path / "last.safetensors").is_file():
        there.append("last")
    return tuple(there)


def weights_at(run: Run, moment: Moment) -> Path | None:
    """Returns the file of a run's weights at a moment; ``None`` before training."""
    return None if moment == "start" else run.path / f"{moment}.safetensors"


def network_at(run: Run, moment: Moment = "best", *, roots: Sequence[Path] | None = None) -> Network:
    """Returns a run's network as it was at a moment, in eval mode on the CPU.

    Args:
        run: The run.
        moment: ``start`` before its first step (its seed makes the same one again), ``best``, or ``last``.
        roots: Folders that a file of handed-on weights must lie under.

    Raises:
        InputError: There are no weights of that moment (any more), or the pretrained ones are not to be had here.
        RunMissing: The run is gone.
    """
    if moment not in MOMENTS:
        raise InputError(
            "There is no moment {name} of a run. Choose one of: {known}.", name=moment, known=", ".join(MOMENTS)
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
    path = run.path / "last.safetensors"
    if not path.is_file():
        raise InputError("The run {name} kept no weights of its last epoch.", name=run.name)
    network = blank(experiment.model, run.classes())
    load_into(network.model, path)
    network.model.eval()
    return network


def network_named(reference: str, *, weights: str = "default", runs_dir: Path | str | None = None) -> Network:
    """Loads what a person names: a run, a run at a moment (``RUN@start``, ``RUN@last``), or a backbone.

    Args:
        reference: The name; a backbone's may carry its weights (``resnet18@none``).
        weights: For a backbone without any in its name.
        runs_dir: Where run ids are looked up.

    Raises:
        InputError: There is neither a run nor a backbone of that name, or its weights are not to be had.
    """
    name, _, moment = reference.rpartition("@")
    if name and moment in MOMENTS:
        return network_at(RunStore(runs_dir).open(name), moment)
    if name and not Path(reference).exists():
        return load_network(name, weights=moment, runs_dir=runs_dir)
    return load_network(reference, weights=weights, runs_dir=runs_dir)
