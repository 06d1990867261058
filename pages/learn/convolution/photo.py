"""The bench's kernels on a photograph, at once."""

from __future__ import annotations

from core.errors import InputError
from pages.learn.convolution.state import Bench
from pages.ui.kit import components, form_fields, style, tiles
from pages.ui.kit.tiles import Tile
from pages.ui.selection import image_picker
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

PICTURE = image_picker.Place("bl-learn-photo", "photo", ".learn")
"""A picture of its own: what is chosen here changes no other page."""
SIDE_PX = 240
WAYS = {"grey": N_("In grey"), "colours": N_("Each colour"), "summed": N_("Colours summed")}


def draw(bench: Bench) -> None:
    """Draws the photograph and what each kernel makes of it."""
    from core.lessons.numbers import write_grids

    components.section(
        _("The same kernel on a photograph"),
        _("Every kernel of the bench, on 240 pixels: what it answers to shows at once."),
    )
    style.send("inside.css")
    image = image_picker.image_picker(place=PICTURE)
    if image is None:
        components.note(_("Choose a sample, give a file or take a photograph; it is looked at here and kept nowhere."))
        return
    way = form_fields.choice(_("Colours"), WAYS, "bl-learn-photo-way", default="grey")
    key = (image.sha256, write_grids(bench.kernels), bench.sliding, way)
    try:
        shown = caches.remember("learn-photos", key, lambda: _tiles(image.data, image.name, bench, way), entries=24)
    except InputError as error:
        components.note(translate_error(error))
        return
    tiles.grid(shown, size=SIDE_PX)
    components.note(
        _(
            "A kernel whose weights add up to 1 keeps the brightness and makes a picture; any other answers around "
            "zero: blue below, near white at zero, red above. Each map has its own scale, as said under it."
        )
    )


def _tiles(data: bytes, name: str, bench: Bench, way: str) -> list[Tile]:
    import numpy as np
    import torch
    from PIL import Image

    from core.data.images import open_image
    from core.lessons.photograph import answers

    image = open_image(data, name=name).convert("RGB")
    image.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).double() / 255
    found = [Tile(image.convert("L") if way == "grey" else image, _("The photograph"))]
    for number, answer in enumerate(answers(pixels, bench.kernels, bench.sliding, way), start=1):
        low, high = (
            number_format.number(float(value)).replace("-", "\N{MINUS SIGN}") for value in answer.values.aminmax()
        )
        words = _("from {low} to {high}, around zero") if answer.signed else _("from {low} to {high}, as a picture")
        caption = _("Map {n}").format(n=number)
        alt = _("What kernel {n} answers on the photograph").format(n=number)
        found.append(Tile(answer.image, caption, words.format(low=low, high=high), alt))
    return found
