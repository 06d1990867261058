"""What corruptions, attacks and their groups are called."""

from __future__ import annotations

from pages.ui.text.i18n import N_

TITLES = {
    "gaussian-noise": N_("Gaussian noise"),
    "shot-noise": N_("Shot noise"),
    "impulse-noise": N_("Impulse noise"),
    "gaussian-blur": N_("Gaussian blur"),
    "defocus-blur": N_("Defocus blur"),
    "motion-blur": N_("Motion blur"),
    "zoom-blur": N_("Zoom blur"),
    "fog": N_("Fog"),
    "brightness": N_("Brightness"),
    "contrast": N_("Contrast"),
    "pixelate": N_("Pixelate"),
    "jpeg": N_("JPEG"),
    "rotation": N_("Rotation"),
    "shift": N_("Shift"),
    "occlusion": N_("Occlusion"),
    "fgsm": N_("FGSM"),
    "pgd": N_("PGD"),
}
GROUPS = {
    "noise": N_("Noise"),
    "blur": N_("Blur"),
    "weather": N_("Weather and light"),
    "digital": N_("Digital loss"),
    "place": N_("Turned, moved, covered"),
    "attack": N_("Attacks"),
}
ORIGINS = {
    "exact": N_("ImageNet-C, as published"),
    "like": N_("ImageNet-C-like"),
    "own": N_("This lab's own"),
    "attack": N_("captum"),
}
STEPS = {
    "gaussian-noise": N_("Deviation of the noise, as a share of the range: {steps}."),
    "shot-noise": N_("Photons at full brightness: {steps}."),
    "impulse-noise": N_("Share of the values that are black or white: {steps}."),
    "gaussian-blur": N_("Deviation in pixels: {steps}."),
    "defocus-blur": N_("Radius of the disk in pixels: {steps}."),
    "motion-blur": N_("Deviation of the movement in pixels: {steps}."),
    "zoom-blur": N_("Enlarged by up to: {steps}."),
    "fog": N_("Thickness of the clouds: {steps}."),
    "brightness": N_("Added to the value, as a share of the range: {steps}."),
    "contrast": N_("Share of the contrast that is left: {steps}."),
    "pixelate": N_("Share of the sides that is kept: {steps}."),
    "jpeg": N_("Quality of the JPEG: {steps}."),
    "rotation": N_("Degrees, either way: {steps}."),
    "shift": N_("Share of the side, in any direction: {steps}."),
    "occlusion": N_("Share of the area that is covered: {steps}."),
    "fgsm": N_("One step of the gradient's sign, each value by at most this many of 255 levels: {steps}."),
    "pgd": N_("Ten steps along the gradient, each value by at most this many of 255 levels: {steps}."),
}
"""What the five strengths of each are."""
