"""What the pages that look inside a network share: the row of choices, their faces, pictures, scales, layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import png
from core.errors import InputError, WeightsUnavailable
from pages.ui.kit import clicks, components, form_fields, nav, page_states, style
from pages.ui.kit.tiles import data_uri
from pages.ui.selection import checkpoint_picker, image_picker, network_picker
from pages.ui.selection.network_picker import Target
from pages.ui.session import address, caches, choices
from pages.ui.session.choices import ImageChoice
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image as PILImage
    from torch import Tensor

    from core.models.network import Network
    from core.runs.store import Run

WIDTH = 724
"""Pixels that a sheet of tiles may be wide; a narrower window makes it smaller."""
GAP = 4
COLORMAPS = {"viridis": "Viridis", "magma": "Magma", "cividis": "Cividis"}
"""Names of colour maps are names: they are not translated."""
LITE = "efficientnet_lite0"
RANDOM = N_("These weights are random. What you see is the network's build, not anything it has learned.")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at: a loaded network and a picture as it sees it.

    Attributes:
        target: Which network.
        network: The loaded :class:`core.models.network.Network`.
        image: The chosen picture's file.
        original: Width and height of the picture before anything was done to it.
        picture: The picture as the network sees it, a PIL image.
    """

    target: Target
    network: Network
    image: ImageChoice
    original: tuple[int, int]
    picture: PILImage

    @property
    def key(self) -> tuple[object, ...]:
        """What caches of things made from both are keyed on."""
        return (*self.target.key, self.image.sha256)

    def input(self) -> Tensor:
        """Returns the network's input, 1x3xHxW: the picture's own pixels, not fitted a second time."""
        from core.data.images import to_tensor

        return to_tensor(self.picture, self.network.preprocessing, fitted=True)

    def probabilities(self) -> NDArray[np.float32]:
        """Returns the network's prediction, a probability a class, computed once."""
        from core.interpret.probe import probabilities

        return caches.remember("answers", self.key, lambda: probabilities(self.network, self.input())[0], entries=128)

    def crop_words(self) -> str:
        """Says what was done to the picture, and how much of it the network sees."""
        prep = self.network.preprocessing
        width, height = self.original
        return _("{w} × {h} px, short side resized to {resize}, centre {crop} × {crop} kept").format(
            w=width, h=height, resize=prep.resize, crop=prep.crop
        )


def begin(name: str) -> None:
    """Opens a page of this kind: style, header, and the address's run, which must exist."""
    style.send("inside.css")
    components.header(name)
    choices.run()


def choose(*, image: bool = True) -> Subject | Target | None:
    """Draws the row of choices, network, moment and picture, and loads what was chosen.

    Args:
        image: Whether a picture is needed, too.

    Returns:
        The subject (without ``image``: the target, its network not loaded yet); ``None`` where a face was drawn.
    """
    if waiting(choices.run()):
        return None
    chosen = None
    with st.container(key="bl-look", horizontal=True, vertical_alignment="center"):
        with st.container(horizontal=True, vertical_alignment="center", key="bl-look-network"):
            target = network_picker.network_picker()
            if target is not None:
                target = checkpoint_picker.choose(target)
        if image:
            chosen = image_picker.image_picker(target)
    if target is None or not image:
        return target
    if chosen is None:
        page_states.empty(
            _("No picture yet"),
            _("Choose a sample, give a file or take a photograph above; it is looked at here and kept nowhere."),
            icon="add_photo_alternate",
        )
        return None
    network = load(target)
    return None if network is None else subject_of(target, network, chosen)


def waiting(run: Run | None) -> bool:
    """Draws the face of a chosen run that has no weights yet; tells whether it did."""
    if run is None or run.has_weights or not address.read("run"):
        return False
    from core.runs.status import LIVE

    if run.state in LIVE:
        text = _("{name} is under way. Its weights can be looked into once its first epoch has ended.")
    else:
        text = _("{name} ended before its first epoch did, so nothing was learned that could be looked into.")
    page_states.broken(_("No weights yet"), text.format(name=run.name), icon="hourglass_empty", tone="warn")
    with st.container(horizontal=True):
        nav.link("train", _("See how it goes"), run=run.id)
        if clicks.button(_("Look into the bare backbone"), icon=":material/layers:", key="bl-subject-bare"):
            choices.set_model(run.experiment.model)
            network_picker.choose_kind("backbone")
            st.rerun()
    return True


def load(target: Target) -> Network | None:
    """Loads the network; draws a face and returns ``None`` where its weights are not to be had."""
    from core.models.catalog.catalog import weights_state

    if isinstance(target, checkpoint_picker.MomentTarget):
        return checkpoint_picker.load(target)
    wants = f"bl.download.{target.reference}"
    own = target.weights not in ("none", "run")
    if own and weights_state(target.reference, target.weights) == "needs download":
        if not st.session_state.pop(wants, False):
            _not_here(target, wants, None)
            return None
        doing = _("Downloading the weights of {name} …").format(name=target.title)
    else:
        doing = _("Loading {name} …").format(name=target.title)
    try:
        with st.spinner(doing, show_time=True):
            return target.network()
    except WeightsUnavailable as error:
        _not_here(target, wants, error)
    except InputError as error:
        page_states.broken(_("This network cannot be loaded"), translate_error(error), icon="report", tone="warn")
    return None


def _not_here(target: Target, wants: str, error: WeightsUnavailable | None) -> None:
    """Says that pretrained weights are not on this machine, and offers what there is instead."""
    from core.models.catalog.catalog import entry

    if error is None:
        found = entry(target.reference, target.weights)
        size = number_format.size(found.size_mb * 1e6) if found and found.size_mb else _("unknown size")
        text = _("The pretrained weights of {name} are a download of {size}.").format(name=target.title, size=size)
    else:
        text = translate_error(error)
    page_states.broken(_("These weights are not on this machine"), text, icon="cloud_off", tone="warn")
    with st.container(horizontal=True):
        again = _("Try again") if error else _("Download them")
        if clicks.button(
            again,
            type="primary" if error is None else "secondary",
            icon=":material/download:",
            key="bl-subject-download",
        ):
            st.session_state[wants] = True
            st.rerun()
        if clicks.button(_("Use random weights"), icon=":material/casino:", key="bl-subject-random"):
            network_picker.choose_model(target.reference, "none")
            st.rerun()
        if target.reference != LITE and clicks.button(
            _("Use EfficientNet-Lite0"), icon=":material/layers:", key="bl-subject-lite"
        ):
            network_picker.choose_model(LITE, "default")
            st.rerun()


def subject_of(target: Target, network: Network, image: ImageChoice) -> Subject | None:
    """Returns a picture as a loaded network sees it; draws a face and returns ``None`` where it cannot be read."""
    from core.data.images import fit, read_image

    def fitted() -> tuple[tuple[int, int], PILImage]:
        opened = read_image(image.data, name=image.name)
        return opened.size, fit(opened.image, network.preprocessing)

    try:
        original, picture = caches.remember("fitted", (image.sha256, network.preprocessing), fitted, entries=32)
    except InputError as error:
        page_states.broken(_("This picture cannot be used"), translate_error(error), icon="broken_image", tone="warn")
        return None
    return Subject(target, network, image, original, picture)


def warn_random(target: Target) -> None:
    """Says that weights are random, where they are."""
    if target.weights == "none":
        callout(_(RANDOM), icon="casino")


def answered(probabilities: NDArray[np.floating]) -> bool:
    """Whether a network's probabilities are numbers: those of damaged weights are not."""
    return not math.isnan(probabilities.sum())


def no_answer() -> str:
    """Says that a network's probabilities are no numbers."""
    return _(
        "The network's output for this picture is not a number. Its weights are damaged, or its training went astray."
    )


def callout(text: str, *, icon: str = "info", good: bool = False) -> None:
    """Draws one honest sentence about a picture, beside or under it."""
    tone = " bl-good" if good else ""
    st.html(
        f'<p class="bl-callout{tone}"><span class="bl-symbol" aria-hidden="true">{escape(icon)}</span>'
        f"<span>{components.phrase(text)}</span></p>"
    )


def picture(
    image: PILImage | bytes, *, alt: str, title: str = "", text: str = "", sharp: bool = False, most: int | None = None
) -> None:
    """Draws one picture with its title and a line under it.

    Args:
        image: PIL image or encoded bytes.
        alt: Text in its stead, translated.
        title: What it is.
        text: The line under it.
        sharp: Whether it is enlarged pixel by pixel.
        most: Largest width, in CSS pixels; the column's by default.
    """
    line = components.phrase(text)
    words = (f"<b>{escape(title)}</b>" if title else "") + (f"<bdi>{line}</bdi>" if text else "")
    size = f' style="--bl-most:{int(most)}px"' if most else ""
    below = f"<figcaption>{words}</figcaption>" if words else ""
    st.html(
        f'<figure class="bl-picture{" bl-sharp" if sharp else ""}"{size}>'
        f'<img src="{data_uri(image)}" alt="{escape(alt)}">{below}</figure>'
    )


def scale_bar(colormap: str, low: str, high: str) -> None:
    """Draws a colour map between the words or values of its ends."""
    from core.interpret.drawing.overlay import colorbar

    bar = caches.remember("colorbars", (colormap,), lambda: png(colorbar(colormap, width=256, height=4)), entries=8)
    st.html(
        f'<div class="bl-scale"><span><bdi>{escape(low)}</bdi></span><img src="{data_uri(bar)}" alt="">'
        f"<span><bdi>{escape(high)}</bdi></span></div>"
    )


def facts(rows: Sequence[tuple[str, str]]) -> None:
    """Draws a line of small facts: translated label and value."""
    cells = "".join(f"<span>{escape(label)} <b><bdi>{escape(value)}</bdi></b></span>" for label, value in rows)
    st.html(f'<p class="bl-facts">{cells}</p>')


def number(value: float | None, digits: int = 3) -> str:
    """Returns a figure as :func:`figures.number` writes it, with a true minus sign."""
    return number_format.number(abs(value) if value == 0 else value, digits).replace("-", "−")


def columns_slider(count: int, *, key: str, shape: float = 1.0) -> int:
    """Draws how many tiles stand in a row; by default so many that the whole is about as high as wide.

    Args:
        count: Number of tiles.
        key: Start of the stable key; the choice holds for all sheets of as many tiles.
        shape: Width of a tile over its height.
    """
    if count < 3:
        return max(count, 1)
    square = min(max(round((count * 1.5 / shape) ** 0.5), 4), 40, count)
    whole = [n for n in range(1, count + 1) if count % n == 0 and 0.7 <= n / square <= 1.4 and n <= 40]
    usual = min(whole, key=lambda n: abs(n - square), default=square)  # rather no row that is only begun
    return int(
        st.slider(
            _("Tiles a row"),
            1,
            min(count, 64),
            usual,
            key=f"{key}-{count}",
            persist_state="session",
            help=_("Fewer tiles a row are larger. Small maps are enlarged by a whole factor, so they stay exact."),
        )
    )


def colormap_picker(key: str) -> str:
    """Draws the choice of a colour map, the same on every page that shares the key."""
    return form_fields.choice(
        _("Colours"),
        COLORMAPS,
        key,
        default="viridis",
        help=_("All three run evenly from dark to light, also for colour-blind eyes and in greyscale print."),
    )
