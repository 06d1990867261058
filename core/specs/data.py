"""Which images, how they are divided, changed and turned into a network's input."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Literal

from core.errors import InputError
from core.specs.checks import number, one_of, whole

SPLITS = ("train", "val", "test")
FITS = ("squeeze", "crop", "pad")
MOST_GAP = 86_400
"""Seconds between two pictures of one burst, at most."""
NORMALISATIONS = ("weights", "imagenet", "data", "255", "half")


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How pixels become a network's input: make a square of them, scale to 0..1, normalise.

    Attributes:
        resize: Length of the short side after resizing, in pixels.
        crop: Side of the square centre crop, in pixels; the network's input size.
        mean: Mean of red, green and blue, on the 0..1 scale.
        std: Standard deviation of red, green and blue, on the 0..1 scale.
        interpolation: ``bilinear`` or ``bicubic``, always antialiased.
        channels: 3 for RGB; 1 for networks that take gray images, whose pixel is the mean of the normalised three.
        fit: ``crop`` resizes the short side and crops the centre; ``squeeze`` resizes both sides, ``pad`` the long one,
            the rest having the colour that is 0 after normalisation. Nothing is cut off by the latter two, so that
            ``resize`` is ``crop``.
    """

    resize: int
    crop: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    channels: int = 3
    fit: str = "crop"

    def __post_init__(self) -> None:
        one_of("channels", self.channels, (1, 3))
        whole("crop", self.crop, low=1, high=4096)
        whole("resize", self.resize, low=self.crop, high=8192)
        one_of("interpolation", self.interpolation, ("bilinear", "bicubic"))
        one_of("fit", self.fit, FITS)
        if self.fit != "crop" and self.resize != self.crop:
            raise InputError(
                "resize is {resize}, but {fit} cuts nothing off: it must be crop.", resize=self.resize, fit=self.fit
            )

    def fitted(self, fit: str) -> Preprocessing:
        """Returns the same preprocessing with another way to make a square of an image."""
        if fit == self.fit:
            return self
        return dataclasses.replace(self, fit=fit, resize=self.resize if fit == "crop" else self.crop)

    def normalised(self, how: str, colours: tuple[tuple[float, ...], tuple[float, ...]] | None = None) -> Preprocessing:
        """Returns the same preprocessing with another normalisation.

        Args:
            how: One of :data:`NORMALISATIONS`: as the ``weights`` want it, with ``imagenet``'s mean and deviation,
                with those measured on the ``data``, by ``255`` alone (0..1), or to -1..1 (``half``).
            colours: Mean and deviation of red, green and blue for ``data``.
        """
        if how == "weights":
            return self
        if how == "data":
            if colours is None:
                raise InputError("The mean and deviation of the images were not measured.")
            mean, std = colours
        else:
            mean, std = {
                "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
                "255": ((0.0,) * 3, (1.0,) * 3),
                "half": ((0.5,) * 3, (0.5,) * 3),
            }[how]
        return dataclasses.replace(self, mean=(mean[0], mean[1], mean[2]), std=(std[0], std[1], std[2]))

    def at(self, image_size: int | None) -> Preprocessing:
        """Returns the same preprocessing for another input size, the margin around the crop kept in proportion."""
        if image_size is None or image_size == self.crop:
            return self
        return dataclasses.replace(self, crop=image_size, resize=round(image_size * self.resize / self.crop))


@dataclass(frozen=True, slots=True)
class DataSpec:
    """Which images, and how they are divided.

    Attributes:
        source: Name of an embedded data set, or a folder's path.
        val_share: Share of the images held out for validation, where the data bring no split of their own.
        test_share: Share held out for the final test, likewise; 0 for none.
        seed: Seed of the division (and of generated images).
        images_per_class: At most so many images of each class, for a quick look; ``None`` for all.
        folds: Into how many folds the images outside the test are divided; 0 for no folds. Then ``val_share`` only
            bounds how many images of a small class the test takes.
        fold: The fold that validates, from 0; the others are learned from.
        val_of: What ``val_share`` is a share of: ``all`` images, or the ``rest`` that the test leaves.
        group_by: Which images must not be torn apart: those in one ``folder`` below their class, with one name
            ``stem`` (``aug_0`` of ``aug_0_17.png``), with one value in ``column:NAME``, in whose name
            ``pattern:REGEX`` finds the same, taken in one burst (``exif``: by one camera, each within 30 s of the one
            before; ``exif:60`` for 60 s), or look-alikes (``near``); empty for equal files only.
        classes: The classes to take, in this order; empty for all.
        anew: Whether a division that the data bring is set aside, and all their images are divided by the shares.
        class_share: Share of the images of each class that are taken, chosen at random.
        class_caps: Classes of which at most so many images are taken, each with that number.
        revision: Hash of what a person changed of the source, see :mod:`core.data.revisions`; empty for its files as
            they lie.
    """

    source: str
    val_share: float = 0.2
    test_share: float = 0.0
    seed: int = 0
    images_per_class: int | None = None
    folds: int = 0
    fold: int = 0
    val_of: str = "all"
    group_by: str = ""
    classes: tuple[str, ...] = ()
    anew: bool = False
    revision: str = ""
    class_share: float = 1.0
    class_caps: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.source, str) or not self.source.strip():
            raise InputError("No data are named. Give the name of an embedded data set or a folder.")
        number("val_share", self.val_share, low=0.0, high=0.9)
        number("test_share", self.test_share, low=0.0, high=0.9)
        if self.val_share <= 0:
            raise InputError("val_share is 0, but a run needs validation images. Set a share above 0, such as 0.2.")
        one_of("val_of", self.val_of, ("all", "rest"))
        if self.val_share * (1 - self.test_share if self.val_of == "rest" else 1) + self.test_share > 0.9 + 1e-9:
            raise InputError(
                "val_share and test_share add up to {sum}. Leave at least 0.1 of the images for training.",
                sum=round(self.val_share + self.test_share, 3),
            )
        whole("seed", self.seed, low=0, high=2**32 - 1)
        if self.images_per_class is not None:
            whole("images_per_class", self.images_per_class, low=1, high=10**7)
        if self.folds != 0:
            whole("folds", self.folds, low=2, high=100)
        whole("fold", self.fold, low=0, high=max(0, self.folds - 1))
        if not isinstance(self.anew, bool):
            raise InputError("{name} is {value}. It must be true or false.", name="anew", value=str(self.anew)[:60])
        _check_group_by(self.group_by)
        if not isinstance(self.revision, str) or not re.fullmatch(r"([0-9a-f]{20})?", self.revision):
            raise InputError(
                "revision is {value}. It must be the hash of a revision, 20 digits from 0 to f.",
                value=str(self.revision)[:60],
            )
        number("class_share", self.class_share, low=0.0, high=1.0, above=True)
        _check_caps(self)
        if isinstance(self.classes, list):  # as JSON has it
            object.__setattr__(self, "classes", tuple(self.classes))
        if not isinstance(self.classes, tuple) or not all(isinstance(name, str) and name for name in self.classes):
            raise InputError("classes must be a list of names of classes.")
        if len(set(self.classes)) < len(self.classes) or len(self.classes) == 1:
            raise InputError("classes is {names}. Name at least two classes, each once.", names=", ".join(self.classes))


def _check_caps(spec: DataSpec) -> None:
    try:
        caps = tuple(sorted((name, most) for name, most in spec.class_caps))  # JSON has lists
    except (TypeError, ValueError):
        caps = (("", 0),)
    if not all(isinstance(name, str) and name for name, _ in caps) or len(dict(caps)) < len(caps):
        raise InputError("class_caps must be a list of classes, each once with the most images of it.")
    for name, most in caps:
        whole(f"class_caps of {name}", most, low=1, high=10**7)
    object.__setattr__(spec, "class_caps", caps)


def _check_group_by(value: object) -> None:
    kind, _, rest = value.partition(":") if isinstance(value, str) else ("?", "", "")
    if value == "" or (kind in ("folder", "stem", "near") and value == kind) or (kind == "column" and rest):
        return
    if kind == "exif" and (value == kind or (rest.isascii() and rest.isdigit() and 0 < int(rest[:9]) <= MOST_GAP)):
        return
    if kind != "pattern" or not rest or len(rest) > 200:
        raise InputError(
            "group_by is {value}. Choose folder, stem, near, exif, exif:SECONDS, column:NAME or pattern:REGEX.",
            value=str(value)[:60],
        )
    try:
        re.compile(rest)
    except re.error as error:
        raise InputError(
            "The pattern {pattern} is no regular expression: {reason}.", pattern=rest, reason=str(error)
        ) from error
