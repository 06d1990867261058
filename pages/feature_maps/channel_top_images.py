"""The person's own images with the highest activation of one channel, the place marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.data.encoding import compact
from core.errors import InputError
from pages.ui.kit import components
from pages.ui.kit.page_states import guarded
from pages.ui.kit.tiles import Tile, grid
from pages.ui.selection import subjects, user_images
from pages.ui.selection.subjects import Subject
from pages.ui.selection.user_images import Own
from pages.ui.session import caches
from pages.ui.text import layer_names, number_format
from pages.ui.text.i18n import _, _n

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

    from core.interpret.features.class_selectivity import Specificity
    from core.workflows.inspection.channel_survey import LayerAnswers

COUNT = 9


@dataclass(frozen=True, slots=True)
class Marked:
    """The images with a channel's highest activations.

    Attributes:
        tiles: Of each the image with its spot framed, encoded; its name, its class and the activation.
        gone: How many of them cannot be read any more.
        exact: Whether the frames are receptive fields.
    """

    tiles: tuple[tuple[bytes, str, str, float], ...]
    gone: int
    exact: bool


def draw(subject: Subject, layer: str, channel: int) -> None:
    """Draws the images, or the button that looks for them."""
    components.section(_("Which of your images activate it most"))
    user_images.part(_panel)(subject, layer, channel)


@guarded
def _panel(subject: Subject, layer: str, channel: int) -> None:
    own = user_images.choose(subject, "bl-excite")
    if own is None:
        return
    text = _("One pass of {n} images through the network finds them for all channels of {layer} at once.").format(
        n=number_format.exact(len(own.images.items)), layer=layer_names.layer(subject.network.anatomy, layer)
    )
    found = user_images.gather_on_request(subject, own, layer, text, _("Find them"), key="bl-excite")
    if found is None:
        return
    key = (*subject.target.key, *own.key, layer)
    _specific(found, key, channel)
    _tiles(subject, own, found, key, channel)


def specific(found: LayerAnswers, key: tuple[object, ...]) -> Specificity | None:
    """Returns the ``Specificity`` of gathered answers; ``None`` with one class."""
    from core.interpret.features.class_selectivity import specificity

    def measured() -> Specificity | None:
        try:
            return specificity(found.answers.means, found.labels, len(found.classes))
        except InputError:
            return None

    return caches.remember("specific", key, measured, entries=24)


def _specific(found: LayerAnswers, key: tuple[object, ...], channel: int) -> None:
    """Says how strongly the channel tells the classes apart."""
    selectivity = specific(found, key)
    if selectivity is None:
        return
    dead = bool((found.answers.maxima[:, channel] <= 0).all())
    rows = [
        (_("prefers"), found.classes[int(selectivity.preferred[channel])]),
        (_("class selectivity"), number_format.number(float(selectivity.selectivity[channel]), 2)),
        (_("F between classes"), number_format.number(float(min(selectivity.f[channel], 1e9)), 3)),
    ]
    subjects.facts(rows)
    if dead:
        components.note(_("None of these images lifts it above zero: for your images this channel is dead."))


def _tiles(subject: Subject, own: Own, found: LayerAnswers, key: tuple[object, ...], channel: int) -> None:
    shown = caches.remember("spots", (*key, channel), lambda: _marked(subject, own, found, key, channel), entries=48)
    tiles = [
        Tile(
            image,
            caption=label,
            note=_("activation {x}").format(x=subjects.number(value)),
            alt=_("{name}, a {label}: the place with the highest activation of channel {n} is framed").format(
                name=name, label=label, n=channel
            ),
        )
        for image, name, label, value in shown.tiles
    ]
    grid(tiles, size=150)
    looked = len(found.keys)
    if shown.exact:
        frame = _("The frame is all that the strongest cell can see (its receptive field).")
    else:
        frame = _(
            "The frame is the strongest cell's place in the picture. What it can see (its receptive field) is larger."
        )
    if looked < found.asked:
        count = _("Found among {n} of {all} images; time ran out for the others.").format(
            n=number_format.exact(looked), all=number_format.exact(found.asked)
        )
    else:
        count = _n("Found among {n} image.", "Found among {n} images.", looked).format(n=number_format.exact(looked))
    gone = _(" {n} of them cannot be read any more.").format(n=shown.gone) if shown.gone else ""
    components.note(f"{count} {frame}{gone}")


def _marked(subject: Subject, own: Own, found: LayerAnswers, key: tuple[object, ...], channel: int) -> Marked:
    """Returns the strongest images with their spots framed, small enough to be sent."""
    from core.data.images import fit
    from core.interpret.features.class_selectivity import spot, strongest

    order = caches.remember("strongest", key, lambda: strongest(found.answers, COUNT), entries=12)[channel]
    place = {item.key: index for index, item in enumerate(own.images.items)}
    tiles, gone, exact = [], 0, True
    for row in (int(index) for index in order):
        name = found.keys[row]
        try:
            picture = fit(own.images.load(place[name]), subject.network.preprocessing)
        except (InputError, KeyError):
            gone += 1
            continue
        where = spot(
            subject.network.anatomy, found.answers.layer, int(found.answers.places[row, channel]), found.answers.grid
        )
        exact = exact and where.exact
        tiles.append(
            (
                framed(picture, where.box),
                name,
                found.classes[int(found.labels[row])],
                float(found.answers.maxima[row, channel]),
            )
        )
    return Marked(tuple(tiles), gone, exact)


def framed(picture: PILImage, box: tuple[float, float, float, float]) -> bytes:
    """Returns a picture with a box (top, left, bottom, right) framed in white on black, encoded.

    A small box is also shown enlarged, in the corner that lies farthest from it.
    """
    from PIL import Image, ImageDraw

    factor = max(1, 300 // max(picture.size))
    drawn = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    top, left, bottom, right = (round(edge * factor) for edge in box)
    pen = ImageDraw.Draw(drawn)
    right, bottom = max(right - 1, left + 3), max(bottom - 1, top + 3)
    grown = max(0, 10 - (right - left)) // 2  # a frame that can be seen
    left, top, right, bottom = left - grown, top - grown, right + grown, bottom + grown
    pen.rectangle((left, top, right, bottom), outline="black", width=4)
    pen.rectangle((left + 1, top + 1, right - 1, bottom - 1), outline="white", width=2)
    side = max(drawn.size) * 2 // 5
    if max(box[2] - box[0], box[3] - box[1]) * factor < side // 2:
        patch = picture.crop(
            (int(box[1]), int(box[0]), max(int(box[1]) + 1, round(box[3])), max(int(box[0]) + 1, round(box[2])))
        )
        patch = patch.resize((side, side), Image.Resampling.NEAREST)
        across = 0 if (left + right) / 2 > drawn.width / 2 else drawn.width - side
        down = 0 if (top + bottom) / 2 > drawn.height / 2 else drawn.height - side
        drawn.paste(patch, (across, down))
        pen.rectangle((across, down, across + side - 1, down + side - 1), outline="white", width=3)
    return compact(drawn, 300)
