"""What the values of an experiment are called: English, to be translated where they are shown or written."""

from __future__ import annotations

from collections.abc import Callable

from core.messages import N_

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
RELATIVES = {"folder": N_("one folder"), "stem": N_("one name"), "near": N_("look-alikes"), "exif": N_("one burst")}
"""What a division keeps together."""
AUGMENTATIONS = {
    "none": N_("None"),
    "basic": N_("Basic"),
    "strong": N_("Strong"),
    "trivialaugment": "TrivialAugment",
    "cats-dogs-paper": N_("Cats and dogs"),
    "brain-paper": N_("Brain images"),
    "five-classes": N_("Five classes"),
    "own": N_("My own"),
}
"""The presets, and settings of one's own."""
OPERATIONS = {
    "crop": N_("Random crop"),
    "colour": N_("Brightness, contrast, saturation"),
    "flip": N_("Mirror"),
    "vertical-flip": N_("Vertical flip"),
    "rotation": N_("Rotation"),
    "shift": N_("Shift"),
    "shear": N_("Shear"),
    "zoom": N_("Zoom"),
    "perspective": N_("Perspective"),
    "elastic": N_("Elastic"),
    "brightness": N_("Brightness"),
    "contrast": N_("Contrast"),
    "saturation": N_("Saturation"),
    "hue": N_("Hue"),
    "gray": N_("Grayscale"),
    "blur": N_("Gaussian blur"),
    "sharpness": N_("Sharpness"),
    "equalise": N_("Equalise"),
    "posterise": N_("Posterise"),
    "solarise": N_("Solarise"),
    "noise": N_("Gaussian noise"),
    "erasing": N_("Random erasing"),
    "autoaugment": "AutoAugment",
    "randaugment": "RandAugment",
    "trivialaugment": "TrivialAugment",
    "augmix": "AugMix",
    "mixup": "MixUp",
    "cutmix": "CutMix",
}
"""The operations of augmentation, MixUp and CutMix among them."""


def phase(name: str, _: Callable[[str], str]) -> str:
    """Returns what a phase is called.

    Args:
        name: As its recipe names it, or a person.
        _: The language.
    """
    if name.startswith("unfreeze-"):
        return _("Unfreezing {n}").format(n=name.removeprefix("unfreeze-"))
    return _(PHASES.get(name, name))


def device(name: str) -> str:
    """Returns what a device of torch is called: *CPU*, *GPU*, *GPU 1*."""
    kind, _colon, number = name.partition(":")
    known = {"cpu": "CPU", "cuda": "GPU", "mps": "GPU"}.get(kind, kind)
    return f"{known} {number}" if number else known
