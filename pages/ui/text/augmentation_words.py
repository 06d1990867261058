"""How training images are changed at random, in words: the presets, where they come from, and any settings."""

from __future__ import annotations

from core.specs import OPERATIONS, AugmentSpec, Operation
from pages.ui.text.i18n import N_, _, _n
from pages.ui.text.number_format import number, percent

TITLES = {
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
ORIGINS = {
    "none": N_("For comparison, and for features that are computed once."),
    "basic": N_("The usual of ImageNet training, with a gentler crop (Szegedy et al. 2015, arXiv:1409.4842)."),
    "strong": N_("For few images and long trainings, which learn details by heart."),
    "trivialaugment": N_("Nothing to tune (Müller and Hutter 2021, arXiv:2103.10158)."),
    "cats-dogs-paper": N_("From the notes: the paper on cats and dogs."),
    "brain-paper": N_("From the notes: the paper on brain images. Beyond the edge its pixels are repeated."),
    "five-classes": N_(
        "From the notes: the homework with five classes. Its shear is a fifth of a degree, as Keras read it."
    ),
    "own": N_("Each change as you set it."),
}
"""What a preset is for, or where it comes from."""
_DONE = {
    "flip": N_("mirrored"),
    "vertical-flip": N_("flipped top to bottom"),
    "rotation": N_("turned by {range}"),
    "shift": N_("shifted by {range} of a side"),
    "shear": N_("sheared by {range}"),
    "zoom": N_("zoomed × {range}"),
    "perspective": N_("tilted in perspective by {range}"),
    "elastic": N_("warped with strength {range}"),
    "brightness": N_("brightness × {range}"),
    "contrast": N_("contrast × {range}"),
    "saturation": N_("saturation × {range}"),
    "hue": N_("hue moved by {range} of the circle"),
    "gray": N_("made gray"),
    "blur": N_("blurred with sigma {range}"),
    "sharpness": N_("sharpness × {range}"),
    "equalise": N_("histogram equalised"),
    "posterise": N_("posterised to {range}"),
    "solarise": N_("inverted from level {range}"),
    "noise": N_("noise of {range}"),
    "erasing": N_("a square of {range} of the area erased"),
    "autoaugment": N_("one of 25 policies learned on ImageNet (AutoAugment)"),
    "randaugment": N_("two of 14 changes, such as shear, rotation or contrast (RandAugment)"),
    "trivialaugment": N_("one of 14 changes, such as shear, rotation or contrast, at a random strength"),
    "augmix": N_("a mixture of several chains of changes (AugMix)"),
}
_UNITS = {"degrees": "{n}°", "pixels": "{n} px", "bits": N_("{n} bits")}


def title(spec: AugmentSpec) -> str:
    """Returns the preset's name."""
    return _(TITLES[spec.preset_name or "own"])


def changes(spec: AugmentSpec) -> str:
    """Returns what is done to an image, with ranges; empty where nothing is."""
    shared = [
        _("{change} in {share} of draws").format(change=_("mirrored"), share=percent(0.5)) if spec.flip else "",
        _("cropped to {share} or more").format(share=percent(spec.crop_scale)) if spec.crop_scale < 1 else "",
        _("turned by up to {n}°").format(n=number(spec.rotation)) if spec.rotation else "",
        _("recoloured by up to {share}").format(share=percent(spec.color)) if spec.color else "",
    ]
    further = ", ".join(_operation(operation) for operation in spec.operations)
    if further and 0 < spec.pick < len(spec.operations):
        further = _n("one of these ({changes})", "{n} of these ({changes})", spec.pick).format(
            n=spec.pick, changes=further
        )
    return ", ".join(part for part in [*shared, further] if part)


def sentence(spec: AugmentSpec) -> str:
    """Says what training does with the images."""
    said = changes(spec)
    if not said:
        return _("No augmentation: a training image is the same each time it is seen.")
    return _("Augmentation {name}, at random: {changes}.").format(name=title(spec), changes=said)


def _operation(operation: Operation) -> str:
    low, high = operation.strength
    unit = OPERATIONS[operation.name].unit
    if unit != "factor" and low == 0:
        span = _("up to {high}").format(high=_strength(high, unit))
    elif low == high:
        span = _strength(high, unit)
    else:
        span = _("{low} to {high}").format(low=number(low), high=_strength(high, unit))
        if unit == "share":
            span = _("{low} to {high}").format(low=percent(low), high=percent(high))
    done = _(_DONE[operation.name]).format(range=span)
    if operation.probability == 1:
        return done
    return _("{change} in {share} of draws").format(change=done, share=percent(operation.probability))


def _strength(value: float, unit: str) -> str:
    return percent(value) if unit == "share" else _(_UNITS.get(unit, "{n}")).format(n=number(value))
