"""What fields, values and measures of studies are called on the screen."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from core.specs import Experiment, titles
from core.specs.study import REMEDY, Factor, Level, Study
from pages.ui.text import display_names, number_format
from pages.ui.text.i18n import N_, _, _n

FIELDS = {
    "training.phases.lr": N_("Learning rate"),
    "training.phases.optimizer": N_("Optimizer"),
    "recipe": N_("Recipe"),
    "model.backbone": N_("Backbone"),
    "model.weights": N_("Weights"),
    "augment": N_("Augmentation"),
    "freeze.trainable_stages": N_("Last stages that learn"),
    "model.head.dropout": N_("Dropout before the head"),
    "model.head.pool": N_("Pooling before the head"),
    "model.init": N_("Initialisation"),
    "model.image_size": N_("Image size"),
    "model.fit": N_("How an image becomes a square"),
    "data.images_per_class": N_("Images a class"),
    "data.test_share": N_("Share held out for the test"),
    "data.val_share": N_("Share held out for validation"),
    "data.seed": N_("Seed of the division"),
    "data.source": N_("Pictures"),
    "training.batch_size": N_("Batch size"),
    "training.phases.epochs": N_("Epochs of a phase"),
    "training.phases.momentum": N_("Momentum"),
    "training.phases.weight_decay": N_("Weight decay"),
    "training.phases.backbone_factor": N_("Backbone's rate as a multiple of the head's"),
    "training.phases.schedule.name": N_("Schedule"),
    "training.loss.smoothing": N_("Label smoothing"),
    "training.loss.balance": N_("Class weights"),
    "training.mix.mixup": N_("MixUp"),
    "training.sampler": N_("Sampler"),
    "freeze.norm": N_("Mode of frozen BatchNorm"),
    "network": N_("Network"),
    "augmentation": N_("Augmentation"),
    "weights": N_("Weights"),
    "initialisation": N_("Initialisation"),
    "test share": N_("Test share"),
    "depth x width": N_("Depth × width"),
    "start": N_("Start"),
    "remedy": N_("Remedy against imbalance"),
    "together": N_("Several together"),
    "seeds": N_("Other seeds"),
}
"""Fields, the factors of ready studies, and the parts of the variance that no factor has."""
_SMALL = re.compile(r"\d(\.\d+)?e-\d+")
"""A rate such as 1e-05, which reads 0.00001."""
LABELS = {
    "augmented": N_("augmented"),
    "not augmented": N_("not augmented"),
    "pretrained": N_("pretrained"),
    "random": N_("random"),
    "proposed": N_("proposed"),
    "with dropout": N_("with dropout"),
    "Model 1": N_("Model 1"),
    "Model 2": N_("Model 2"),
    "zeros": N_("zeros"),
    "ones": N_("ones"),
    "copied – all learn": N_("copied – all learn"),
    "copied – last layer alone": N_("copied – last layer alone"),
    "all": N_("all"),
    "none": N_("none"),
    "balanced": N_("balanced"),
    "own": N_("own"),
    "average": N_("average"),
    "flatten": N_("flatten"),
    "eval": N_("fixed statistics"),
    "train": N_("statistics of the batch"),
}
"""Values that are words."""
MEASURES = {
    "test_accuracy": N_("Test accuracy"),
    "val_accuracy": N_("Validation accuracy"),
    "val_balanced_accuracy": N_("Balanced accuracy"),
    "val_f1": N_("F1"),
    "val_loss": N_("Validation loss"),
    "seconds": N_("Time"),
}
DESIGNS = {"grid": N_("Grid"), "random": N_("Random"), "sobol": N_("Sobol"), "optuna": N_("Optuna")}
PRUNERS = {"none": N_("None"), "median": N_("Below the median")}


_WRITTEN: Mapping[str, Callable[[str], str]] = {
    "optimizer": display_names.optimizer,
    "backbone": display_names.backbone,
    "recipe": display_names.preset,
    "model.weights": display_names.weights,
    "data.source": display_names.data,
    "training.phases.schedule.name": display_names.schedule,
}
_TITLES: Mapping[str, Mapping[str, str]] = {
    REMEDY: titles.REMEDIES,
    "augment": titles.AUGMENTATIONS,
    "model.fit": titles.FITS,
    "training.sampler": titles.SAMPLERS,
}
"""What the values of some fields are called."""


def title(study: Study) -> str:
    """Returns what a study is called: its own name, the ready study's, or what it is of."""
    from core.workflows.studies.ready import READY

    ready = READY.get(study.ready)
    if ready is not None and study.name == ready.title:
        return _(ready.title)
    return study.name or usual_name(study.experiment)


def repeats(study: Study) -> str:
    """Says how often each setting is trained."""
    text = _n("{n} seed", "{n} seeds", len(study.seeds)).format(n=len(study.seeds))
    return text + (" × " + _("{n} folds").format(n=study.folds) if study.folds else "")


def usual_name(base: Experiment) -> str:
    """Returns what a study is called where nobody named it: its data and its network."""
    data, net = display_names.data(base.data.source), display_names.backbone(base.model.backbone)
    return _("{data}, {network}").format(data=data, network=net)[:60]


def field(name: str) -> str:
    """Returns what a field or factor is called; one that nobody named by its last words."""
    return _(FIELDS[name]) if name in FIELDS else name.rpartition(".")[2].replace("_", " ")


def value(name: str, label: str) -> str:
    """Returns what a factor's value is called."""
    written = _WRITTEN.get(name) or _WRITTEN.get(name.rpartition(".")[2])
    if written is not None:
        return written(label)
    if name in _TITLES and label in _TITLES[name]:
        return _(_TITLES[name][label])
    if label in LABELS:
        return _(LABELS[label])
    return f"{Decimal(label):f}" if _SMALL.fullmatch(label) else label


def setting(factor: Factor, level: Level) -> str:
    """Returns a factor's value as a sentence names it: a word alone, a number behind its field."""
    label = value(factor.name, level.label)
    plain = len(level.settings) == 1 and level.settings[0][0] == factor.name
    return f"{field(factor.name)} {label}" if plain else label


def measured(number: float | None, measure: str) -> str:
    """Writes a measure."""
    if measure == "seconds":
        return number_format.duration(number)
    return number_format.number(number) if measure == "val_loss" else number_format.percent(number)
