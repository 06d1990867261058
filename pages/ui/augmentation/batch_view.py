"""The first batch of the training exactly as its network gets it, back in colours."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import compact
from core.errors import InputError
from core.specs import DataSpec, Experiment, Phase
from pages.ui.augmentation import draws
from pages.ui.kit import components, form_fields
from pages.ui.kit.page_states import busy
from pages.ui.kit.tiles import Tile, grid
from pages.ui.session import caches, choices
from pages.ui.text import number_format
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    from core.data.dataset import Dataset

_TILE, _SHARP = 92, 64
_MOST = 32
"""Images that are shown; a batch may have more."""
_USUAL = 32


def draw(dataset: Dataset) -> None:
    """Draws the batch, once it is asked for."""
    components.section(_("The first batch, as the network gets it"))
    if not st.toggle(_("Show the batch"), **form_fields.flag("bl-aug-batch")):
        return
    with busy(_("Making the batch …")):
        try:
            tiles, said = _batch(dataset)
        except InputError as error:
            components.note(translate_error(error))
            return
    grid(tiles, size=_TILE, pixelated=draws.preprocessing().crop <= _SHARP)
    components.note(said)


def _batch(dataset: Dataset) -> tuple[list[Tile], str]:
    """Returns the batch's tiles, and what they are.

    Raises:
        InputError: An image cannot be read, or two of the choices do not go together.
    """
    choice, prep = choices.train_choice(), draws.preprocessing()
    size = _USUAL if choice.batch_size == "auto" else choice.batch_size
    training = replace(choice.training((Phase("first", "plan", 1),)), batch_size=size)
    experiment = Experiment(DataSpec(dataset.name), choices.model(), training, augment=choice.augment)
    key = (id(dataset), dataset.name, prep, experiment)

    def made() -> tuple[list[tuple[bytes, str]], str]:
        from PIL import Image

        from core.training.first_batch import first_batch, in_colours

        batch = first_batch(dataset, prep, experiment)
        pictures = in_colours(batch.inputs, prep)[:_MOST].permute(0, 2, 3, 1).contiguous().numpy()
        shares = batch.shares[:_MOST].tolist()
        found = [
            (compact(Image.fromarray(pixels), 2 * _TILE, quick=True), _label(dataset.classes, share))
            for pixels, share in zip(pictures, shares, strict=True)
        ]
        least, most = float(batch.inputs.min()), float(batch.inputs.max())
        said = _("{n} of the {all} images of step 1 with seed {seed}: {shape}, {low} to {high} after normalising.")
        return found, said.format(
            n=len(found),
            all=len(batch.positions),
            seed=choice.seed,
            shape=" × ".join(str(side) for side in batch.inputs.shape),
            low=number_format.number(least, 2),
            high=number_format.number(most, 2),
        )

    found, said = caches.remember("augmentation-batches", key, made, entries=8)
    return [Tile(picture, label) for picture, label in found], said


def _label(classes: tuple[str, ...], shares: list[float]) -> str:
    """Returns the class, or the two that are mixed with their shares."""
    present = sorted(((share, name) for share, name in zip(shares, classes, strict=True) if share), reverse=True)
    if len(present) == 1:
        return present[0][1]
    return ", ".join(f"{number_format.percent(share)} {name}" for share, name in present)
