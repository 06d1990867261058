"""The catalogue of backbones.

Every classifier that torchvision registers, EfficientNet-Lite, the course's small networks; and timm's classifiers,
resolved by name where timm is installed.

The table is generated from the sources, so a classifier that a later torchvision brings is listed, built, frozen and
explained without a line here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from torch import nn

from core.errors import InputError
from core.models.architectures import families
from core.models.architectures.build_modes import OnMeta, Seeded, Uninitialised
from core.models.architectures.records import AVAILABLE, DOWNLOAD, NONE, TIMM, Backbone, WeightsEntry
from core.models.architectures.small_networks import OWN
from core.models.catalog import timm
from core.models.catalog.course import Course
from core.models.catalog.pypi import Packages
from core.models.catalog.source import Shape, Source
from core.models.catalog.torchvision import Hub
from core.models.weights import background_download
from core.models.weights.download import Report
from core.specs import ModelSpec, Piece, Preprocessing

__all__ = [
    "AVAILABLE",
    "BACKBONES",
    "DOWNLOAD",
    "FAMILIES",
    "NONE",
    "TIMM",
    "Backbone",
    "WeightsEntry",
    "backbone",
    "blank",
    "build",
    "categories",
    "download",
    "downloading",
    "entries",
    "entry",
    "fetch",
    "input_size",
    "preprocessing",
    "search",
    "skeleton",
    "timm_available",
    "weights_state",
]

_TIMM = timm.Timm()


def _table() -> tuple[dict[str, Backbone], dict[str, Source]]:
    order = {family.title: index for index, family in reversed(list(enumerate(families.FAMILIES)))}
    found: list[tuple[Backbone, Source]] = []
    for source in (Packages(), Hub(), Course()):
        found += [(source.record(name), source) for name in source.names()]

    def place(pair: tuple[Backbone, Source]) -> tuple[int, int, int]:
        row = pair[0]
        family = order.get(row.family, len(families.FAMILIES))
        return (family, 0, 0) if row.source == "course" else (family, row.year, row.parameters)

    found.sort(key=place)
    return {record.name: record for record, _ in found}, {record.name: source for record, source in found}


_LISTED, _SOURCES = _table()

BACKBONES: Mapping[str, Backbone] = MappingProxyType(_LISTED)
"""All networks by name, family by family and from small to large. Those of timm are not in it."""

FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(backbone.family for backbone in BACKBONES.values()))
"""Titles of the families, in the order in which they are shown."""

_OWN = Course()


def _source(name: str) -> Source:
    if name in _SOURCES:
        return _SOURCES[name]
    if name == OWN.name:
        return _OWN
    if name.startswith(TIMM):
        timm.check(name)
        return _TIMM
    raise InputError("There is no backbone {name}. See them all with: python -m core backbones", name=name)


def backbone(name: str) -> Backbone:
    """Returns the record of network ``name``: one of :data:`BACKBONES`, ``timm/NAME``, or ``own``.

    Raises:
        InputError: There is none of that name, or timm is needed and not installed.
    """
    return BACKBONES.get(name) or _source(name).record(name)


def timm_available() -> bool:
    """Returns whether timm is installed, without importing it."""
    return timm.available()


def search(text: str = "", *, include_timm: bool = False) -> tuple[str, ...]:
    """Returns the names of the networks in whose name, title or family all words of ``text`` occur.

    Args:
        text: Words, in any order and case.
        include_timm: Whether to look through timm's classifiers too (which imports timm, about a second), if it is
            installed. Their names begin with ``timm/``; nothing is built.
    """
    words = text.lower().split()
    found = [
        name
        for name, row in BACKBONES.items()
        if all(word in f"{name} {row.title} {row.family}".lower() for word in words)
    ]
    if include_timm:
        found += [
            name for name in _TIMM.names() if all(word in f"{name} {timm.family(name)}".lower() for word in words)
        ]
    return tuple(found)


def entries(name: str) -> tuple[WeightsEntry, ...]:
    """Returns the pretrained weights of ``name``, the default first; none for networks without any."""
    return _source(name).entries(name)


def entry(name: str, weights: str = "default") -> WeightsEntry | None:
    """Returns the weights entry that ``weights`` stands for; ``None`` where the network has none.

    ``none``, ``run:`` and ``file:`` stand for the default entry, whose preprocessing such networks keep.

    Raises:
        InputError: The network has no entry of that name; the sentence names those it has.
    """
    listed = entries(name)
    if weights in ("default", "none") or weights.startswith(("run:", "file:")):
        return listed[0] if listed else None
    for candidate in listed:
        if candidate.name == weights:
            return candidate
    raise InputError(
        "{name} has no weights {weights}. Choose one of: {choices}.",
        name=name,
        weights=weights,
        choices=", ".join(["default", "none", *(candidate.name for candidate in listed)]),
    )


def weights_state(name: str, weights: str = "default") -> str:
    """Returns whether pretrained weights of ``name`` are at hand: ``available``, ``needs download`` or ``none``."""
    found = entry(name, weights)
    return found.state if found else NONE


def categories(name: str, weights: str = "default") -> tuple[str, ...]:
    """Returns the classes of the weights of ``name``, in the order of the logits; numbers where nobody named them."""
    source = _source(name)
    found = _entry_name(name, weights)
    named = source.categories(name, found)
    return named or tuple(str(index) for index in range(backbone(name).num_classes))


def preprocessing(
    name: str, image_size: int | None = None, *, weights: str = "default", channels: int | None = None
) -> Preprocessing:
    """Returns how pixels become the input of ``name``, as its weights want it.

    Args:
        name: Name of a backbone.
        image_size: Side of the input, in pixels; ``None`` for the one its weights were evaluated on.
        weights: As in :class:`core.specs.ModelSpec`; entries of one network differ in size, crop and interpolation.
        channels: Channels of the input; ``None`` for the backbone's own.
    """
    own = _source(name).preprocessing(name, _entry_name(name, weights)).at(image_size)
    if channels is None or channels == own.channels:
        return own
    return dataclasses.replace(own, channels=channels)


def prepared(spec: ModelSpec) -> Preprocessing:
    """Returns how pixels become the input of the network of ``spec``, with its own fit and normalisation."""
    own = preprocessing(spec.backbone, spec.image_size, weights=spec.weights, channels=spec.channels)
    colours = (spec.colours[0], spec.colours[1]) if spec.colours else None
    return own.fitted(spec.fit).normalised(spec.normalise, colours)


def input_size(spec: ModelSpec) -> int:
    """Returns the side of the images that the network of ``spec`` takes, in pixels."""
    return spec.image_size or preprocessing(spec.backbone, weights=spec.weights).crop


def build(
    name: str,
    weights: str = "default",
    seed: int | None = None,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    design: tuple[Piece, ...] = (),
    report: Report | None = None,
) -> nn.Module:
    """Builds a network with its own head, in eval mode and without auxiliary classifiers.

    Args:
        name: Name of a backbone.
        weights: ``default`` for the pretrained weights, ``none`` for random ones, or the name of one of
            :func:`entries`.
        seed: Seed of random weights, drawn without touching torch's global generator; ``None`` for fresh ones.
        image_size: Side of the images it will see, in pixels. Only networks with a position for each patch and the
            small ones are built differently for it (pretrained positions are interpolated); ``None`` for the size
            that the weights were evaluated on.
        channels: Channels of the images; where it is not the backbone's own, its first convolution is narrowed.
        design: Pieces of a network of one's own.
        report: Hears of the progress of a download.

    Raises:
        InputError: The backbone or its weights are unknown, or it cannot be built for such images.
        WeightsUnavailable: The pretrained weights are not here and cannot be downloaded, or are damaged.
    """
    known = backbone(name)
    if weights == "none":
        with Seeded(seed):
            model = _construct(name, image_size, channels, design, initialise=True)
        return _narrowed(model, known, channels).eval()
    if weights.startswith(("run:", "file:")):
        raise InputError("weights is {weights}. Choose one of: default, none.", weights=weights)
    found = _entry_name(name, weights)
    size = image_size or preprocessing(name, weights=weights).crop
    model = _source(name).pretrained(name, found, Shape(size, channels or known.channels), report)
    return _narrowed(model, known, channels).eval()


def blank(
    name: str, image_size: int | None = None, *, channels: int | None = None, design: tuple[Piece, ...] = ()
) -> nn.Module:
    """Builds a network whose values are undefined, to be loaded from a file at once; otherwise as :func:`build`."""
    with Uninitialised():
        model = _construct(name, image_size, channels, design)
    return _narrowed(model, backbone(name), channels).eval()


def skeleton(
    name: str, image_size: int | None = None, *, channels: int | None = None, design: tuple[Piece, ...] = ()
) -> nn.Module:
    """Builds a network on the ``meta`` device: shapes without memory or values; otherwise as :func:`build`."""
    with OnMeta():
        model = _construct(name, image_size, channels, design)
    return _narrowed(model.to("meta"), backbone(name), channels).eval()


def fetch(name: str, weights: str = "default", report: Report | None = None) -> None:
    """Downloads pretrained weights, unless they are here.

    Args:
        name: Name of a backbone.
        weights: ``default`` or the name of one of :func:`entries`; ``none``, ``run:`` and ``file:`` need nothing.
        report: Hears of the progress, and may raise to end it.

    Raises:
        WeightsUnavailable: They cannot be had; in one sentence.
    """
    if weights != "none" and not weights.startswith(("run:", "file:")):
        _source(name).fetch(name, _entry_name(name, weights), report)


def download(name: str, weights: str = "default") -> background_download.Job:
    """Starts downloading pretrained weights in the background, or returns the job that does so already."""
    found = _entry_name(name, weights)
    return background_download.start((name, found), backbone(name).title, lambda report: fetch(name, weights, report))


def downloading(name: str, weights: str = "default") -> background_download.Job | None:
    """Returns the last download of these weights in this process, whatever became of it."""
    return background_download.find((name, _entry_name(name, weights)))


def _entry_name(name: str, weights: str) -> str:
    found = entry(name, weights)
    return found.name if found else ""


def _construct(
    name: str, image_size: int | None, channels: int | None, design: tuple[Piece, ...], initialise: bool = False
) -> nn.Module:
    known = backbone(name)
    shape = Shape(image_size or known.input_size, channels or known.channels, design)
    return _source(name).construct(name, shape, initialise=initialise)


def _narrowed(model: nn.Module, known: Backbone, channels: int | None) -> nn.Module:
    """Makes a network take gray images, or colour ones; small networks are built for theirs."""
    if channels is None or channels == known.channels or known.source == "course":
        return model
    from core.models.architectures.input_channels import narrow

    return narrow(model, channels)
