"""From what a person names (a run or a backbone) to a network that can be looked into."""

from __future__ import annotations

from pathlib import Path

from core.errors import InputError
from core.models.catalog import BACKBONES
from core.models.network import Network, bare, blank, load_into
from core.runs.store import LIVE, Run, RunStore


def network_of_run(run: Run) -> Network:
    """Loads a run's network with its best weights, in eval mode on the CPU.

    Raises:
        InputError: The run has no weights yet, or they are damaged.
        RunMissing: The run is gone.
    """
    experiment = run.experiment
    classes = run.classes()
    if not run.has_weights or not classes:
        if run.state in LIVE:
            raise InputError("The run {name} has no weights yet. Wait for its first epoch to end.", name=run.name)
        raise InputError("The run {name} ended before its first epoch did, so it has no weights.", name=run.name)
    network = blank(experiment.model, classes)
    load_into(network.model, run.checkpoint)
    network.model.eval()
    return network


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
        weights: For a backbone, ``default`` or ``none``.
        runs_dir: Where run ids are looked up.
        image_size: For a backbone, the side of its input in pixels.

    Raises:
        InputError: There is neither a run nor a backbone of that name, or its weights are not to be had.
    """
    name = str(reference)
    if name in BACKBONES:
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
