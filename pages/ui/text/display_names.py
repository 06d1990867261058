"""What things are called on the screen, known without loading what they name."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import PurePath, PureWindowsPath

from core.specs import titles
from pages.ui.text.i18n import N_, _

SAMPLED = {
    "shuffle": N_("An epoch shows every training image once."),
    "weighted": N_(
        "An epoch draws as many images as there are, with replacement, so that each class comes equally often."
    ),
    "oversample": N_("An epoch repeats the images of rare classes until each is as large as the largest."),
    "undersample": N_("An epoch shows of each class as many images as the rarest has, others in each epoch."),
}
"""What an epoch shows under each sampler."""


def data(source: str) -> str:
    """Returns an embedded set's title, or a folder's last part."""
    name = source.partition("?")[0]
    return _(titles.DATA[name]) if name in titles.DATA else _last_part(source)


def _last_part(path: str) -> str:
    """Returns a path's last part; one of Windows is known by its drive or share, wherever it is shown."""
    of_windows = re.match(r"[A-Za-z]:[\\/]|\\\\", path)
    return (PureWindowsPath if of_windows else PurePath)(path).name or path


def backbone(name: str) -> str:
    """Returns a network's title as the catalogue has it, known without loading that (and torch with it)."""
    return _("A network of your own") if name == "own" else _title(name)


@lru_cache(maxsize=256)
def _title(name: str) -> str:
    from core.models.architectures import families

    title, _family = families.find(name)
    if title == name:  # no line of networks has it
        from core.models.architectures.small_networks import NETWORKS

        title = NETWORKS[name].title if name in NETWORKS else name.removeprefix("timm/")
    return title


def weights(kind: str) -> str:
    """Returns what weights are called in the person's language; an entry's own name stays as it is."""
    if kind.startswith("run:"):
        return _("weights of an earlier run")
    if kind.startswith("file:"):
        return _("weights from {file}").format(file=_last_part(kind.removeprefix("file:")))
    return _(titles.WEIGHTS[kind]) if kind in titles.WEIGHTS else kind


def preset(name: str) -> str:
    """Returns a recipe's name in the person's language."""
    return _(titles.PRESETS.get(name, name))


def phase(name: str) -> str:
    """Returns a phase's name in the person's language."""
    return titles.phase(name, _)


def device(name: str) -> str:
    """Returns what a device is called, from its name in torch."""
    return titles.device(name)


def optimizer(name: str) -> str:
    """Returns an optimizer's name; that of another class of ``torch.optim`` is its own."""
    return titles.OPTIMIZERS.get(name, name)


def schedule(name: str) -> str:
    """Returns a schedule's name in the person's language."""
    return _(titles.SCHEDULES.get(name, name))


def loss(name: str) -> str:
    """Returns a loss's name in the person's language."""
    return _(titles.LOSSES.get(name, name))


def metric(name: str) -> str:
    """Returns what a metric is called in the person's language."""
    return _(titles.METRICS.get(name, name))
