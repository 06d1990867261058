"""Autoencoders as pieces: an encoder down to a narrow place, and a decoder back to a picture. Loads no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from core.errors import InputError
from core.messages import N_
from core.models.architectures.layer_specs import Step, trace_design
from core.specs import PIECES, Piece

MOST_LATENTS = 100_000
"""Values that the narrow place may have at most."""


@dataclass(frozen=True, slots=True)
class Design:
    """An autoencoder that is known by its name.

    Attributes:
        name: Stable name.
        title: What a person calls it.
        description: One or two sentences.
        make: Returns encoder and decoder for a number of channels, the image's side, and a number of latent values.
        latents: Its usual number of latent values; 0 where the pieces themselves decide.
    """

    name: str
    title: str
    description: str
    make: Callable[[int, int, int], tuple[tuple[Piece, ...], tuple[Piece, ...]]]
    latents: int = 0


def _notes(channels: int, _side: int, _latents: int) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    encoder = (
        Piece("conv", size=6, kernel=3, padding=1),
        Piece("relu"),
        Piece("max-pool", kernel=2),
        Piece("conv", size=4, kernel=3, padding=1),
        Piece("relu"),
        Piece("max-pool", kernel=2),
    )
    decoder = (
        Piece("transposed-conv", size=6, kernel=3, stride=2),
        Piece("relu"),
        Piece("transposed-conv", size=channels, kernel=3, stride=2),
    )
    return encoder, decoder


def _exact(channels: int, _side: int, _latents: int) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    encoder = (
        Piece("conv", size=16, kernel=3, padding=1),
        Piece("relu"),
        Piece("max-pool", kernel=2),
        Piece("conv", size=8, kernel=3, padding=1),
        Piece("relu"),
        Piece("max-pool", kernel=2),
    )
    decoder = (
        Piece("transposed-conv", size=16, kernel=2, stride=2),
        Piece("relu"),
        Piece("transposed-conv", size=channels, kernel=2, stride=2),
        Piece("sigmoid"),
    )
    return encoder, decoder


def _narrow(channels: int, side: int, latents: int) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    quarter = side // 4
    encoder = (
        Piece("conv", size=16, kernel=4, stride=2, padding=1),
        Piece("relu"),
        Piece("conv", size=32, kernel=4, stride=2, padding=1),
        Piece("relu"),
        Piece("flatten"),
        Piece("linear", size=128),
        Piece("relu"),
        Piece("linear", size=latents),
    )
    decoder = (
        Piece("linear", size=128),
        Piece("relu"),
        Piece("linear", size=32 * quarter * quarter),
        Piece("relu"),
        Piece("unflatten", size=32),
        Piece("transposed-conv", size=16, kernel=4, stride=2, padding=1),
        Piece("relu"),
        Piece("transposed-conv", size=channels, kernel=4, stride=2, padding=1),
        Piece("sigmoid"),
    )
    return encoder, decoder


_LISTED = (
    Design(
        "notes",
        N_("The notes' (1 → 6 → 4 → 6 → 1)"),
        N_(
            "Two convolutions with pooling, then two transposed convolutions of 3 × 3 with stride 2: 557 parameters. "
            "28 px come back as 31, since its sizes run 28, 14, 7, 15, 31."
        ),
        _notes,
    ),
    Design(
        "exact",
        N_("The same, wider, and back to size"),
        N_("16 and 8 channels, and windows of 2 × 2 that double the side exactly: 28 px come back as 28."),
        _exact,
    ),
    Design(
        "deep",
        N_("Deeper, through 16 values"),
        N_("Every picture is squeezed into 16 numbers by dense layers, and painted from them again."),
        _narrow,
        16,
    ),
    Design(
        "plane",
        N_("Deeper, through 2 values"),
        N_("Two numbers a picture: a plane of pictures to walk through, at the price of blurred ones."),
        _narrow,
        2,
    ),
)
DESIGNS: Mapping[str, Design] = MappingProxyType({design.name: design for design in _LISTED})
"""The autoencoders, by name."""


def sizes(
    encoder: tuple[Piece, ...], decoder: tuple[Piece, ...], channels: int, side: int
) -> tuple[list[Step], list[Step]]:
    """Works out what each piece makes of its input.

    Args:
        encoder: Pieces down to the narrow place.
        decoder: Pieces back to a picture.
        channels: Channels of the picture.
        side: Side of the picture, in pixels.

    Returns:
        The steps of the encoder, and those of the decoder.

    Raises:
        InputError: A piece does not fit what reaches it, or what comes out is no picture of as many channels.
    """
    if not encoder or not decoder:
        raise InputError("An autoencoder has an encoder and a decoder, each with one layer at least.")
    steps = trace_design((*encoder, *decoder), channels, side)
    if steps[-1].problem is not None:
        raise steps[-1].problem
    end = max(place for place, step in enumerate(steps) if step.index is not None and step.index < len(encoder))
    last = steps[-1].shape
    if len(last) != 3 or last[0] != channels:
        raise InputError(
            "The decoder gives {shape}, but a picture has {channels} x height x width. Let it end with a transposed "
            "convolution to as many channels.",
            shape=" x ".join(map(str, last)),
            channels=channels,
        )
    latents = math.prod(steps[end].shape)
    if latents > MOST_LATENTS:
        raise InputError(
            "The narrow place has {count} values; at most {most} are kept. Choose smaller pictures, or pool more.",
            count=f"{latents:,}",
            most=f"{MOST_LATENTS:,}",
        )
    return steps[: end + 1], steps[end + 1 :]


def write_pieces(encoder: tuple[Piece, ...], decoder: tuple[Piece, ...]) -> str:
    """Returns encoder and decoder as a line of text, as in ``conv 6 3 0 1,relu/transposed-conv 1 3 2 0``."""
    return "/".join(",".join(map(_written, half)) for half in (encoder, decoder))


def _written(piece: Piece) -> str:
    return " ".join((piece.kind, *(f"{getattr(piece, name):g}" for name in PIECES[piece.kind])))


def read_pieces(text: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Reads what :func:`write_pieces` wrote.

    Raises:
        InputError: It is no encoder and decoder, or a piece is none.
    """
    halves = text.split("/")
    if len(halves) != 2:
        raise InputError("“{text}” is no encoder and decoder with a / between.", text=text[:60])
    encoder, decoder = (tuple(_piece(part) for part in half.split(",") if part) for half in halves)
    return encoder, decoder


def _piece(text: str) -> Piece:
    kind, *numbers = text.split(" ")
    names = PIECES.get(kind, ())
    try:
        pairs = zip(names, numbers, strict=True)
        values = {name: float(value) if name == "rate" else int(value) for name, value in pairs}
    except ValueError as error:
        raise InputError("“{text}” is no layer.", text=text[:60]) from error
    return Piece(kind, **values)  # type: ignore[arg-type]
