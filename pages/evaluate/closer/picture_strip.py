"""One picture at each strength, with what the network says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.evaluate.closer.words import STEPS, TITLES
from pages.ui.kit import components, page_states
from pages.ui.kit.tiles import Tile, grid
from pages.ui.selection import network_picker, subjects, user_images
from pages.ui.selection.image_picker import Place, image_picker
from pages.ui.session import caches
from pages.ui.session.address import Bound
from pages.ui.text.i18n import _, translate_error
from pages.ui.text.number_format import percent

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from core.models.network import Network
    from core.runs.store import Run
    from pages.ui.session.choices import ImageChoice

    Rows = list[tuple[Image.Image, np.ndarray]]

_PLACE = Place("bl-robust-image", "picture", "robust")
_SHOWN = Bound("strip")
_SIDE = 124


def draw(run: Run, names: list[str]) -> None:
    """Draws the choice of a corruption and a picture, and the strip."""
    offered = names or list(TITLES)
    components.section(_("One picture at each strength"))
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-robust-strip"):
        name = st.selectbox(
            _("What is done"),
            offered,
            format_func=lambda name: _(TITLES[name]),
            width=230,
            **_SHOWN.widget("bl-robust-shown", offered, offered[0]),
        )
    target = network_picker.target_of(run)
    choice = image_picker(target, _PLACE)
    if choice is None:
        return
    network = subjects.load(target)
    if network is None:
        return
    rows = _rows(target.key, network, choice, name)
    if rows is None:
        return
    tiles = []
    for strength, (image, probabilities) in enumerate(rows):
        said = network.classes[int(probabilities.argmax())]
        tone = "" if not choice.truth else "good" if said == choice.truth else "bad"
        title = _("As it is") if not strength else _("Strength {n}").format(n=strength)
        tiles.append(Tile(image, f"{said} {percent(float(probabilities.max()), 0)}", title, f"{title}: {said}", tone))
    with st.container(key="bl-robust-tiles"):
        grid(tiles, size=_SIDE, pixelated=network.preprocessing.crop < _SIDE)
    truth = _("It is {name}.").format(name=choice.truth) + " " if choice.truth else ""
    components.note(truth + _steps(name))


def _rows(key: tuple[object, ...], network: Network, choice: ImageChoice, name: str) -> Rows | None:
    """Returns the six pictures and answers; an attack, which takes longer, once it is asked for."""
    from core.evaluation.attacks import ATTACKS

    shelf, of = "strips", (*key, choice.sha256, choice.name, name)
    try:
        if name not in ATTACKS or caches.known(shelf, of, entries=24):
            with page_states.busy(_("Spoiling the picture …"), 180):
                return caches.remember(shelf, of, lambda: _made(network, choice, name), entries=24)
        return user_images.on_request(
            of,
            lambda _report: caches.remember(shelf, of, lambda: _made(network, choice, name), entries=24),
            "",
            _("Attack this picture"),
            icon=":material/bolt:",
            key="bl-robust-attack",
        )
    except InputError as error:
        components.note(translate_error(error))
        return None


def _made(network: Network, choice: ImageChoice, name: str) -> Rows:
    import numpy as np
    import torch
    from PIL import Image

    from core.data.images import fit, open_image
    from core.workflows.judging.robustness import strip

    square = fit(open_image(choice.data, name=choice.name), network.preprocessing)
    pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1).contiguous()
    label = network.classes.index(choice.truth) if choice.truth in network.classes else None
    return [
        (Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy()), probabilities)
        for picture, probabilities in strip(network, pixels, name, choice.name, label)
    ]


def _steps(name: str) -> str:
    """Says what the five strengths are."""
    from core.data.corruptions.table import CORRUPTIONS
    from core.evaluation.attacks import ATTACKS

    steps = ATTACKS[name] if name in ATTACKS else CORRUPTIONS[name].steps
    place = {"motion-blur": 1}.get(name, 0)
    figures = [step[place] if isinstance(step, tuple) else step for step in steps]
    return _(STEPS[name]).format(steps=", ".join(f"{figure:g}" for figure in figures))
