"""How training images are changed at random, in words: the presets, where they come from, and any settings."""

from __future__ import annotations

from core.specs import OPERATIONS, AugmentSpec, Operation, titles
from pages.ui.text.i18n import N_, _, _n
from pages.ui.text.number_format import number, percent

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
GROUPS = {
    "geometry": N_("Geometry"),
    "colour": N_("Colour"),
    "sharpness": N_("Sharpness and noise"),
    "erasing": N_("Erasing"),
    "policies": N_("Automatic policies"),
    "batch": N_("Batch level"),
}
ABOUT = {
    "crop": N_("A part of the image, of this share of its area or more and 3:4 to 4:3 in shape, fills the square."),
    "colour": N_("Each of the three is multiplied by a factor of its own, up to so far from 1."),
    "flip": N_("Left and right change places."),
    "vertical-flip": N_("Top and bottom change places."),
    "rotation": N_("Turned about the centre, either way."),
    "shift": N_("Moved along each side, either way, by a share of it."),
    "shear": N_("Each row is moved sideways, the further from the middle the more, by an angle either way."),
    "zoom": N_("Above 1 the image is enlarged, below 1 it shrinks and what lies beyond the edge comes into sight."),
    "perspective": N_("Seen from aside: each corner moves inward by up to half of this share of the side."),
    "elastic": N_("Places move by smooth random steps, as handwriting varies."),
    "brightness": N_("All values times a factor: below 1 is darker."),
    "contrast": N_("The distance from the mean gray, times a factor."),
    "saturation": N_("The distance of each colour from gray, times a factor: 0 is gray."),
    "hue": N_("All colours move round the colour circle, either way; half of it turns red into cyan."),
    "gray": N_("Colours are taken away; three equal channels stay."),
    "blur": N_("Blurred by a Gaussian with a sigma of so many pixels of the network's input."),
    "sharpness": N_("0 is smoothed, 1 as it is, 2 sharpened."),
    "equalise": N_("The histogram of each colour is made even."),
    "posterise": N_("Only so many bits of each colour stay: 1 leaves two values, 8 all."),
    "solarise": N_("Values above this level are inverted."),
    "noise": N_("Gaussian noise is added to every pixel; its standard deviation is a share of the range 0 to 255."),
    "erasing": N_("A square of this share of the area gets the image's mean colour."),
    "autoaugment": N_("One of 25 pairs of changes that were learned on ImageNet."),
    "randaugment": N_("Two changes out of 14, at a fixed strength."),
    "trivialaugment": N_("One change out of 14, at a random strength. Nothing to tune."),
    "augmix": N_("Several chains of changes, mixed with the image itself."),
    "mixup": N_("Two images of the batch are blended, and so are their labels. 0.2 blends little, 1 any shares."),
    "cutmix": N_("A rectangle of one image is pasted into another; labels count by area. 1 is usual."),
}
"""What an operation does, in a sentence."""
PAPERS = {
    "crop": "Szegedy et al. 2015, arXiv:1409.4842",
    "elastic": "Simard et al. 2003",
    "erasing": "Zhong et al. 2020, arXiv:1708.04896",
    "autoaugment": "Cubuk et al. 2019, arXiv:1805.09501",
    "randaugment": "Cubuk et al. 2020, arXiv:1909.13719",
    "trivialaugment": "Müller and Hutter 2021, arXiv:2103.10158",
    "augmix": "Hendrycks et al. 2020, arXiv:1912.02781",
    "mixup": "Zhang et al. 2018, arXiv:1710.09412",
    "cutmix": "Yun et al. 2019, arXiv:1905.04899",
}
MISLEADING = {
    "shear": N_(
        "In degrees here, and in Keras too: its shear_range=0.2 there is a fifth of a degree, which nobody sees."
    ),
    "zoom": N_("Here a factor below 1 shrinks. In Keras it is the other way round: zoom_range below 1 enlarges."),
}
"""Names that mean something else elsewhere."""
FILLS = {"reflect": N_("reflected"), "edge": N_("its last pixels repeated"), "black": N_("black"), "white": N_("white")}
_UNITS = {"degrees": "{n}°", "pixels": "{n} px", "bits": N_("{n} bits")}


def title(spec: AugmentSpec) -> str:
    """Returns the preset's name."""
    return _(titles.AUGMENTATIONS[spec.preset_name or "own"])


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
    changed = changes(spec)
    if not changed:
        return _("No augmentation: a training image is the same each time it is seen.")
    return _("Augmentation {name}, at random: {changes}.").format(name=title(spec), changes=changed)


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
