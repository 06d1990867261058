"""What things are called on the screen, known without loading what they name."""

from __future__ import annotations

import re
from pathlib import PurePath, PureWindowsPath

from pages.ui.text.i18n import N_, _

DATA = {
    "shapes": N_("Shapes"),
    "letters": N_("Letters"),
    "circles": N_("Circles"),
    "clothes": N_("Clothes"),
    "brains": N_("Phantom heads"),
    "textures": N_("Textures"),
    "mnist": N_("MNIST digits"),
    "digits": N_("Small digits"),
}
"""The embedded data sets."""
WEIGHTS = {"default": N_("pretrained"), "none": N_("random weights")}
PRESETS = {
    "linear-probe": N_("Linear probe"),
    "two-phase": N_("Two phases"),
    "six-step": N_("Six steps"),
    "fine-tune": N_("Fine-tune last stages"),
    "gradual": N_("Gradual unfreezing"),
    "discriminative": N_("Rates by stage"),
    "full": N_("Full fine-tune"),
    "scratch": N_("From scratch"),
    "course": N_("From the notes"),
    "custom": N_("Own phases"),
}
"""The recipes, in the order they are offered."""
PHASES = {"head": N_("Head"), "fine-tune": N_("Fine-tune"), "train": N_("Train")}
OPTIMIZERS = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD", "rmsprop": "RMSprop", "adagrad": "Adagrad"}
SCHEDULES = {
    "constant": N_("Constant"),
    "cosine": N_("Cosine"),
    "step": N_("Steps"),
    "multi-step": N_("Steps at chosen epochs"),
    "exponential": N_("Exponential"),
    "polynomial": N_("Polynomial"),
    "one-cycle": N_("One cycle"),
    "plateau": N_("On a plateau"),
}
LOSSES = {
    "cross-entropy": N_("Cross-entropy"),
    "focal": N_("Focal loss"),
    "l1": N_("L1 (from the notes)"),
    "mse-mean": N_("Squares and mean (from the notes)"),
    "correlation": N_("Minus correlation (from the notes)"),
}
SAMPLERS = {
    "shuffle": N_("Each image once"),
    "weighted": N_("Weighted: classes equally often"),
    "oversample": N_("Oversample rare classes"),
    "undersample": N_("Cap at the rarest class"),
}
SAMPLED = {
    "shuffle": N_("An epoch shows every training image once."),
    "weighted": N_(
        "An epoch draws as many images as there are, with replacement, so that each class comes equally often."
    ),
    "oversample": N_("An epoch repeats the images of rare classes until each is as large as the largest."),
    "undersample": N_("An epoch shows of each class as many images as the rarest has, others in each epoch."),
}
"""What an epoch shows under each sampler."""
REMEDIES = {
    "none": N_("No remedy"),
    "weights": N_("Class weights"),
    "weighted": N_("Weighted sampler"),
    "oversample": N_("Oversampling"),
    "undersample": N_("Cap at the rarest class"),
}
"""Remedies against imbalance."""
METRICS = {
    "val_loss": N_("Validation loss"),
    "val_accuracy": N_("Validation accuracy"),
    "val_balanced_accuracy": N_("Validation balanced accuracy"),
    "val_f1": N_("Validation F1"),
    "train_loss": N_("Training loss"),
    "train_accuracy": N_("Training accuracy"),
}
"""What an epoch can be judged by."""
FITS = {"squeeze": N_("Squeeze"), "crop": N_("Crop"), "pad": N_("Pad")}
NORMALISATIONS = {
    "weights": N_("The weights' own"),
    "imagenet": N_("ImageNet's"),
    "data": N_("Measured on these images"),
    "255": N_("Only / 255"),
    "half": N_("−1 to 1"),
}


def data(source: str) -> str:
    """Returns an embedded set's title, or a folder's last part."""
    name = source.partition("?")[0]
    return _(DATA[name]) if name in DATA else _last_part(source)


def _last_part(path: str) -> str:
    """Returns a path's last part; one of Windows is known by its drive or share, wherever it is shown."""
    of_windows = re.match(r"[A-Za-z]:[\\/]|\\\\", path)
    return (PureWindowsPath if of_windows else PurePath)(path).name or path


def backbone(name: str) -> str:
    """Returns a readable name: the catalogue's title where it is loaded, else made from the name."""
    import sys

    if name == "own":
        return _("A network of your own")
    catalogue = sys.modules.get("core.models.catalog.catalog")
    entry = getattr(catalogue, "BACKBONES", {}).get(name)
    if entry is not None:
        return str(entry.title)
    return "EfficientNet-Lite" + name[-1] if name.startswith("efficientnet_lite") else name


def weights(kind: str) -> str:
    """Returns what weights are called in the person's language; an entry's own name stays as it is."""
    if kind.startswith("run:"):
        return _("weights of an earlier run")
    if kind.startswith("file:"):
        return _("weights from {file}").format(file=_last_part(kind.removeprefix("file:")))
    return _(WEIGHTS[kind]) if kind in WEIGHTS else kind


def preset(name: str) -> str:
    """Returns a recipe's name in the person's language."""
    return _(PRESETS.get(name, name))


def phase(name: str) -> str:
    """Returns a phase's name in the person's language."""
    if name.startswith("unfreeze-"):
        return _("Unfreezing {n}").format(n=name.removeprefix("unfreeze-"))
    return _(PHASES.get(name, name))


def optimizer(name: str) -> str:
    """Returns an optimizer's name; that of another class of ``torch.optim`` is its own."""
    return OPTIMIZERS.get(name, name)


def schedule(name: str) -> str:
    """Returns a schedule's name in the person's language."""
    return _(SCHEDULES.get(name, name))


def loss(name: str) -> str:
    """Returns a loss's name in the person's language."""
    return _(LOSSES.get(name, name))


def metric(name: str) -> str:
    """Returns what a metric is called in the person's language."""
    return _(METRICS.get(name, name))
