"""Short words for heads, freeze plans and rates, as they are typed on the command line."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from core.errors import InputError
from core.models import freeze
from core.models.anatomy.examine import Anatomy
from core.specs import AUGMENT_PRESETS, POOLS, AugmentSpec, FreezePlan, HeadSpec, ModelSpec, Piece, from_record
from core.training.recipes import Rates


def head(text: str, dropout: float) -> HeadSpec:
    """Reads ``linear``, ``256``, ``512,128``, ``flatten:4096`` or ``average:linear``.

    Raises:
        InputError: It is none of these.
    """
    pool, _, sizes = text.rpartition(":")
    try:
        hidden = () if sizes in ("linear", "") else tuple(int(size) for size in sizes.split(","))
    except ValueError as error:
        raise InputError(
            "--head is {head}. Write linear, the sizes of hidden layers (256 or 512,128), and before them, if wished, "
            "how the last map is pooled: {pools} (flatten:4096).",
            head=text,
            pools=", ".join(POOLS),
        ) from error
    return HeadSpec(hidden, pool or "own", dropout)


def plan(text: str | None, anatomy: Anatomy, norm: str) -> FreezePlan | None:
    """Reads a freeze plan: a preset (``last-stages=2``), or parts that learn, with ``-`` before one that does not.

    Raises:
        InputError: A part or a preset is unknown.
    """
    if text is None:
        return FreezePlan(norm=norm) if norm != "eval" else None
    words = [word.strip() for word in text.split(",") if word.strip()]
    name, _, count = words[0].partition("=") if words else ("", "", "")
    found = FreezePlan(norm=norm)
    if name in freeze.PRESETS:
        if count and not count.isdigit():
            raise InputError("--freeze is {text}. Write a whole number of stages: last-stages=2.", text=text)
        found = freeze.preset(name, anatomy, int(count or 1), norm)
        words = words[1:]
    thaw = tuple(word for word in words if not word.startswith("-"))
    hold = tuple(word.removeprefix("-") for word in words if word.startswith("-"))
    found = FreezePlan(found.trainable_stages, (*found.thaw, *thaw), hold, found.learns, norm)
    freeze.learning(anatomy, found)
    return freeze.plainest(anatomy, found)


def schedule(text: str | None, anatomy: Anatomy, norm: str) -> tuple[tuple[FreezePlan, int], ...]:
    """Reads ``stage5@3,stage4@6``: parts and the epoch from which each learns.

    Raises:
        InputError: It is written otherwise, or a part is unknown.
    """
    if text is None:
        return ()
    rows = []
    for word in text.split(","):
        part, _, epoch = word.strip().rpartition("@")
        if not part or not epoch.isdigit():
            raise InputError("--gradual is {text}. Write parts and their first epochs: stage5@3,stage4@6.", text=text)
        rows.append((part, int(epoch)))
    return freeze.unfreezing(anatomy, rows, norm)


def rates(arguments: argparse.Namespace) -> Rates:
    """Reads ``--backbone-factor``, ``--stage-decay`` and ``--stage-rate stage2=0.1``.

    Raises:
        InputError: A rate by hand is written otherwise.
    """
    by_hand = []
    for word in arguments.stage_rate:
        name, _, factor = word.partition("=")
        try:
            by_hand.append((name, float(factor)))
        except ValueError as error:
            raise InputError(
                "--stage-rate is {text}. Write a stage and its rate as a multiple of the head's: stage2=0.1.", text=word
            ) from error
    return Rates(arguments.backbone_factor, arguments.stage_decay, tuple(by_hand))


def model(arguments: argparse.Namespace, weights: str) -> ModelSpec:
    """Reads everything about the network.

    Raises:
        InputError: A value is not allowed, or the file of pieces cannot be read.
    """
    if weights.startswith("file:"):  # a run goes on from another folder, too
        weights = f"file:{Path(weights.removeprefix('file:')).expanduser().absolute()}"
    return ModelSpec(
        arguments.backbone,
        weights,
        arguments.image_size,
        channels=arguments.channels,
        init=arguments.init,
        init_bias=arguments.init_bias,
        head=head(arguments.head, arguments.dropout),
        fit=arguments.fit,
        design=_design(arguments.design) if arguments.design else (),
    )


def augmentation(text: str) -> AugmentSpec:
    """Reads a preset of augmentation, or the JSON file of one's own.

    Raises:
        InputError: It is neither, or the file holds a change that is not allowed.
    """
    if text in AUGMENT_PRESETS:
        return AugmentSpec.preset(text)
    path = Path(text).expanduser()
    if not path.is_file():
        raise InputError(
            "There is no augmentation {name}, nor a file of that name. Choose one of: {known}.",
            name=text,
            known=", ".join(AUGMENT_PRESETS),
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("The augmentation {file} is not valid JSON: {reason}", file=text, reason=str(error)) from error
    return from_record(AugmentSpec, "augment", record)


def _design(path: str) -> tuple[Piece, ...]:
    try:
        rows = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError("The file of pieces {file} cannot be read: {reason}.", file=path, reason=str(error)) from error
    except ValueError as error:
        raise InputError("The file of pieces {file} is not JSON: {reason}.", file=path, reason=str(error)) from error
    if not isinstance(rows, list):
        raise InputError("The file of pieces {file} must hold a JSON list of pieces.", file=path)
    return tuple(from_record(Piece, "piece", row) for row in rows)
