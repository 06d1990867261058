"""Backbone Lab's core: data, backbones, training, evaluation and interpretation in plain PyTorch.

As a library, from images to a heatmap::

    import core

    run = core.train(core.plan("digits", "mnist_cnn", preset="scratch", epochs=3))
    network = core.load(run)
    found = core.explain(network, "seven.png", method="grad-cam")
    core.overlay(network, "seven.png", found).save("heatmap.png")

The package knows neither Streamlit nor Plotly. Its floors, from the ground up:

* ``errors``, ``messages``, ``settings``, ``specs``, ``device``: what everything else speaks in;
* ``data``, ``models``, ``runs``: images, networks, run folders;
* ``training``, ``evaluation``, ``interpret``: what is done with them;
* ``workflows``: where runs, networks and images meet;
* ``api``: the functions above, for other programs;
* ``cli``: the command line.

Importing ``core``, ``core.specs``, ``core.settings``, ``core.errors``, ``core.runs`` or
``core.training.recipes`` loads neither torch nor torchvision, so that a page can list runs at once.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

# Threads that wait for work sleep instead of spinning. Where other processes share the cores (a trainer beside the
# server, two people at once) spinning costs a factor of ten; alone it gains nothing that could be measured. The
# variable is read when torch's threads are first loaded, so it must be set before anybody imports torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from core.api import compare, explain, load, overlay, plan, predict, train
    from core.errors import InputError
    from core.interpret.attribution.explain import METHODS, Explanation
    from core.models.catalog.catalog import BACKBONES
    from core.models.network import Network
    from core.runs.store import Run
    from core.specs import Experiment
    from core.workflows.evaluate import Evaluation, evaluate

__all__ = [
    "BACKBONES",
    "METHODS",
    "Evaluation",
    "Experiment",
    "Explanation",
    "InputError",
    "Network",
    "Run",
    "compare",
    "evaluate",
    "explain",
    "load",
    "overlay",
    "plan",
    "predict",
    "train",
]

_HOMES = {
    "BACKBONES": "models.catalog.catalog",
    "METHODS": "interpret.attribution.explain",
    "Evaluation": "workflows.evaluate",
    "Experiment": "specs",
    "Explanation": "interpret.attribution.explain",
    "InputError": "errors",
    "Network": "models.network",
    "Run": "runs.store",
    "evaluate": "workflows.evaluate",
}
"""Where a public name is defined; all others in ``api``."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Loads a public name when it is first used."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"core.{_HOMES.get(name, 'api')}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
