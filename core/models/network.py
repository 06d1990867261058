"""A network with all that belongs to it: anatomy, preprocessing, classes; and its weights on disk."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from core.disk_cache import replacing
from core.errors import InputError
from core.models.anatomy.examine import Anatomy, anatomy_of
from core.models.anatomy_cache import blueprint
from core.models.catalog import catalog
from core.models.heads import build_head
from core.models.initialization import initialise
from core.models.weights.transfer import Transferred, transfer_weights
from core.specs import ModelSpec, Preprocessing

_ALIASES = "aliases"
HANDED_ON = ("run:", "file:")
"""What ``ModelSpec.weights`` begins with where weights come from a file."""


@dataclass(slots=True)
class Network:
    """A classifier, ready to be used.

    Attributes:
        model: The module; B x C x H x W images to B x classes logits.
        anatomy: Its anatomy.
        preprocessing: How an image becomes its input.
        classes: Names of its classes, in the order of the logits.
        name: Name of its backbone.
        lock: Held by whoever hooks the module or changes its modes; a network may be shared by several threads.
        transferred: What was copied from a file, where the weights came from one.
    """

    model: nn.Module
    anatomy: Anatomy
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    name: str
    lock: RLock = field(default_factory=RLock, repr=False)
    transferred: Transferred | None = field(default=None, repr=False)


def assemble(
    spec: ModelSpec,
    classes: Sequence[str],
    *,
    seed: int,
    source: Path | None = None,
    source_classes: Sequence[str] = (),
) -> Network:
    """Builds the network that an experiment asks for, with a new head for its classes.

    Random weights follow ``spec.init``, the head's among them. Where weights are handed on from a file, every tensor
    that fits replaces a random one.

    Args:
        spec: Backbone, weights, image size, channels, initialisation and head.
        classes: Names of the classes.
        seed: Seed of the head's weights, and of the backbone's where these are random.
        source: The file that ``run:`` or ``file:`` weights stand for.
        source_classes: Classes of the network in that file, where they are known. A head for other classes, or for
            the same in another order, is left out even if its shape fits.

    Raises:
        InputError: The backbone is unknown or cannot take such images, there are too few classes, or the file is not
            there, not to be read, or another network's.
        WeightsUnavailable: The pretrained weights are not to be had.
    """
    handed_on = spec.weights.startswith(HANDED_ON)
    if handed_on and source is None:
        raise InputError("No file was found for the weights {weights}.", weights=spec.weights)
    drawn = handed_on or spec.weights == "none"
    model = catalog.build(
        spec.backbone,
        "none" if drawn else spec.weights,
        seed,
        image_size=catalog.input_size(spec),
        channels=spec.channels,
        design=spec.design,
    )
    network = _with_head(model, spec, classes, seed)
    if drawn:
        initialise(model, spec.init, bias=spec.init_bias, seed=seed)
    if handed_on and source is not None:
        other = bool(source_classes) and tuple(source_classes) != tuple(classes)
        network.transferred = transfer_weights(model, source, head=network.anatomy.head, copy_head=not other)
    return network


def blank(spec: ModelSpec, classes: Sequence[str]) -> Network:
    """Builds the same network as :func:`assemble` but with undefined values, for :func:`load_into` to fill.

    It needs neither the pretrained weights, nor the file they were handed on from, nor the time to draw random ones.
    """
    model = catalog.blank(spec.backbone, catalog.input_size(spec), channels=spec.channels, design=spec.design)
    return _with_head(model, spec, classes, seed=0)


def outline(spec: ModelSpec, classes: Sequence[str]) -> Network:
    """Builds the same network as mere shapes on the ``meta`` device, to compare or count."""
    model = catalog.skeleton(spec.backbone, catalog.input_size(spec), channels=spec.channels, design=spec.design)
    return _with_head(model, spec, classes, seed=0)


def bare(name: str, weights: str = "default", image_size: int | None = None, *, seed: int = 0) -> Network:
    """Builds a backbone with its own head and classes.

    Args:
        name: Name of a backbone.
        weights: ``default``, ``none``, or the name of one of its entries.
        image_size: Side of its input, in pixels; ``None`` for that of its weights.
        seed: Seed of random weights.
    """
    preprocessing = catalog.preprocessing(name, image_size, weights=weights)
    anatomy = anatomy_of(name, preprocessing.crop)
    model = catalog.build(name, weights, seed, image_size=preprocessing.crop)
    return Network(model, anatomy, preprocessing, catalog.categories(name, weights), name)


def _with_head(model: nn.Module, spec: ModelSpec, classes: Sequence[str], seed: int) -> Network:
    known = blueprint(spec, len(classes))
    anatomy = build_head(model, blueprint(spec), len(classes), spec.head, seed=seed, becomes=known)
    preprocessing = catalog.prepared(spec)
    return Network(model, anatomy, preprocessing, tuple(classes), spec.backbone)


def save(model: nn.Module, path: Path) -> None:
    """Writes a module's parameters and buffers; see :func:`save_state`."""
    save_state(model.state_dict(), path)


def save_state(
    state: Mapping[str, Tensor], path: Path, *, stamp: str = "", about: Mapping[str, str] | None = None
) -> None:
    """Writes tensors to a safetensors file, in one step: a reader sees the old file or the new one.

    A tensor that goes by several names is written once; the other names stand in the file's metadata.

    Args:
        state: Tensors by name, on any device and in any memory format.
        path: The file; its folder must exist.
        stamp: A word for the file's metadata, by which it is known to belong to another file.
        about: What else the metadata says.

    Raises:
        OSError: The file cannot be written, for example because the disk is full. Nothing is left behind.
    """
    tensors: dict[str, Tensor] = {}
    aliases: dict[str, str] = {}
    seen: dict[tuple[object, ...], str] = {}
    for name, value in state.items():
        identity = (value.device, value.data_ptr(), value.dtype, value.shape, value.stride())
        if value.numel() and identity in seen:
            aliases[name] = seen[identity]
            continue
        seen[identity] = name
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
    path = Path(path)
    metadata = {"format": "pt", "stamp": stamp, _ALIASES: json.dumps(aliases), **(about or {})}
    try:
        with replacing(path) as temporary:
            save_file(tensors, temporary, metadata=metadata)
            temporary.chmod(path.parent.stat().st_mode & 0o666)  # safetensors writes for its owner alone
    except SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))
        raise OSError(int(code[1]) if code else errno.EIO, "The weights could not be written", str(path)) from error


def read_state(path: Path, names: Collection[str] | None = None) -> dict[str, Tensor]:
    """Reads tensors that :func:`save_state` wrote, on the CPU.

    Args:
        path: The file.
        names: Only these, as far as they are there; ``None`` for all.

    Raises:
        InputError: The file is missing or damaged.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="pt") as file:
            aliases = json.loads((file.metadata() or {}).get(_ALIASES, "{}"))
            homes = {**{name: name for name in file.keys()}, **aliases}  # noqa: SIM118
            wanted = homes if names is None else [name for name in names if name in homes]
            stored = {home: file.get_tensor(home) for home in dict.fromkeys(homes[name] for name in wanted)}
        return {name: stored[homes[name]] for name in wanted}
    except FileNotFoundError as error:
        raise InputError("The weight file {file} does not exist.", file=str(path)) from error
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError("The weight file {file} is damaged and cannot be read.", file=str(path)) from error


def load_into(model: nn.Module, path: Path) -> None:
    """Fills ``model`` with the tensors of a safetensors file that :func:`save` wrote.

    Raises:
        InputError: The file is missing or damaged, or its tensors are not those of ``model``.
    """
    fill(model, read_state(path), Path(path).name)


def fill(model: nn.Module, stored: Mapping[str, Tensor], file: str) -> None:
    """Fills ``model`` with tensors by name.

    All names and shapes are compared before the first value is changed.

    Args:
        model: The module.
        stored: The tensors.
        file: What they were read from, for the error.

    Raises:
        InputError: The tensors are not those of ``model``.
    """
    wrong = _mismatches(model.state_dict(), stored)
    if wrong:
        raise InputError(
            "The weight file {file} does not fit the network in {count} of its tensors: {tensors}. Choose the file of "
            "a network with the same backbone and classes.",
            file=file,
            count=len(wrong),
            tensors="; ".join(wrong[:4]) + ("; …" if len(wrong) > 4 else ""),
        )
    model.load_state_dict(stored)


def _mismatches(own: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> list[str]:
    """Names the tensors that differ: ``- name`` misses in the file, ``+ name`` is too many, or both shapes."""
    wrong = [f"− {name}" for name in own if name not in stored]
    wrong += [f"+ {name}" for name in stored if name not in own]
    for name, value in own.items():
        if name in stored and stored[name].shape != value.shape:
            theirs, ours = ("×".join(map(str, tensor.shape)) or "1" for tensor in (stored[name], value))
            wrong.append(f"{name} {theirs} ≠ {ours}")
    return wrong
