"""The image that is looked at: a strip of thumbnails to pick from, and behind a button what the strip shows.

A picture is of the data (a run's, else those chosen on the Data page), a sample, or a person's own. The address names
it, but for one's own.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import png
from core.errors import InputError
from pages.ui.kit import charts, components, form_fields, style
from pages.ui.kit.tile_sheet import gallery
from pages.ui.kit.tiles import data_uri
from pages.ui.selection import own_pictures, picture_list, samples
from pages.ui.selection.network_picker import Target
from pages.ui.selection.picture_list import OF_ANSWERS, ORDERS, Filter, Pictures
from pages.ui.selection.picture_row import OWN, SAMPLE, Row
from pages.ui.session import address, caches, choices
from pages.ui.session.choices import ImageChoice
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n, translate_error

if TYPE_CHECKING:
    from core.runs.store import Run

SOURCES = {"data": N_("From the data"), "sample": N_("Samples"), "own": N_("Your own")}
KEY, PARAM = "bl-image", "image"
_AHEAD, _PAGE = 24, 24
_STRIP = """<div class="bl-strip"><button type="button" class="before"></button>
<div class="row" role="group"></div><button type="button" class="after"></button></div>"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a picture is picked: several on one page keep apart.

    Attributes:
        key: Stable start of the widgets' keys.
        param: The address's parameter that names the picture.
        use: As for :func:`pages.ui.session.choices.image`; empty for the picture that all pages share.
        start: Which of the row is shown where none was chosen, from 0.
    """

    key: str = KEY
    param: str = PARAM
    use: str = ""
    start: int = 0


def image_picker(target: Target | None = None, place: Place | None = None) -> ImageChoice | None:
    """Draws the strip and what it shows, and returns the chosen picture.

    Args:
        target: The network in use; a run brings the images it was trained and judged on.
        place: Where it is drawn; by default the picture that all pages share.
    """
    place = place or Place()
    pictures, problem = _pictures(target)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"bl-pick-{place.key}"):
        strip = st.container(key=f"bl-strip-{place.key}")
        row, chosen = _shown(place, pictures)
        with strip:
            _strip(place, row, chosen)
    if problem:
        components.note(
            _("The pictures that this network was trained on cannot be shown here; these are others. {why}").format(
                why=problem
            )
        )
    if chosen is None:
        return None
    choice = _choice(place, pictures, chosen)
    if choice is not None and choice != choices.image(place.use):
        choices.set_image(choice, place.use)
    return choice


def _pictures(target: Target | None) -> tuple[Pictures | None, str]:
    """Returns the data whose pictures can be picked, and why there are none where that is to be said."""
    try:
        if target is not None and target.run is not None:
            return picture_list.of_run(target.run), ""
        return picture_list.of_data(), ""
    except InputError as error:
        return None, translate_error(error)


def _shown(place: Place, pictures: Pictures | None) -> tuple[Row, str | None]:
    """Draws, behind a button, what the strip shows; returns that, and the name of the chosen picture."""
    key = place.key
    with st.popover(
        _("Pictures"),
        icon=":material/photo_library:",
        key=f"{key}-pictures",
        on_change="rerun",
        help=_("Find a picture by name, class or split, see the wrong ones, or give your own."),
    ) as box:
        offered = {name: title for name, title in SOURCES.items() if name != "data" or pictures is not None}
        first = next(iter(offered))
        source = form_fields.choice(_("Show"), offered, f"{key}-source-{first}", default=first)
        positions: Sequence[int] = ()
        if pictures is not None and source != "sample":
            wanted = _filter(key, pictures) if source == "data" else Filter(split=pictures.held_out)
            positions = pictures.listed(wanted)
            if not positions:
                components.note(_("No picture is like that. Change what is searched for, or give your own."))
        if source == "own":
            own_pictures.draw(key, lambda choice: _take(place, choice))
        lead = not positions and (pictures is None or source != "data")
        row, chosen = _row(place, pictures, positions, with_samples=lead)
        if getattr(box, "open", False):
            _grid(place, row, chosen)
    return row, chosen


def _filter(key: str, pictures: Pictures) -> Filter:
    """Draws what the data's pictures are searched by."""
    classes = pictures.dataset.classes
    first, second = st.columns(2)
    with first:
        text = st.text_input(_("Name contains"), key=f"{key}-text", persist_state="session")
        splits = pictures.splits
        split = ""
        if len(splits) > 1:
            split = st.selectbox(
                _("Split"),
                ["", *splits],
                index=splits.index(pictures.held_out) + 1 if pictures.held_out else 0,
                key=f"{key}-split-{len(splits)}",
                format_func=lambda name: charts.split_label(name) if name else _("All"),
                persist_state="session",
            )
    with second:
        label = st.selectbox(
            _("Class"),
            [-1, *range(len(classes))],
            key=f"{key}-class-{len(classes)}",
            format_func=lambda index: classes[index] if index >= 0 else _("All classes"),
            persist_state="session",
        )
        offered = [name for name in ORDERS if name not in OF_ANSWERS or pictures.answers]
        order = st.selectbox(
            _("Order"),
            offered,
            key=f"{key}-order-{len(offered)}",
            format_func=lambda name: _(ORDERS[name]),
            persist_state="session",
        )
    return Filter(text or "", None if label is None or label < 0 else label, split or "", order or "turns")


def _row(
    place: Place, pictures: Pictures | None, positions: Sequence[int], *, with_samples: bool
) -> tuple[Row, str | None]:
    """Returns all that can be picked and the name of the chosen picture, which is always among it."""
    kept = own_pictures.kept().pictures
    shown = tuple(name for name in samples.SAMPLES if samples.path_of(name)) if with_samples else ()
    row = Row(tuple(kept), (), pictures, positions, shown)
    chosen = next((name for name in _asked(place) if _there(name, pictures, kept)), None)
    if chosen is None:
        base = len(kept) if len(row) > len(kept) else 0
        return row, row.name(min(base + place.start, len(row) - 1)) if len(row) else None
    if pictures is not None and chosen in pictures.places:
        hidden = pictures.places[chosen] not in positions
    else:
        hidden = chosen.startswith(SAMPLE) and chosen.removeprefix(SAMPLE) not in shown
    return (Row(row.own, (chosen,), pictures, positions, shown) if hidden else row), chosen


def _asked(place: Place) -> list[str]:
    """Returns the names of what is asked for: what the address says, then what was looked at last."""
    names = [address.read(place.param) or ""]
    known = choices.image(place.use)
    if known is not None and known.kind in ("upload", "camera"):
        names.append(f"{OWN}{known.sha256}")
    elif known is not None and known.kind == "sample":
        names += [f"{SAMPLE}{name}" for name, title in samples.SAMPLES.items() if _(title) == known.name]
    elif known is not None:
        names.append(known.name)
    return names


def _there(name: str, pictures: Pictures | None, kept: Container[str]) -> bool:
    if name.startswith(OWN) and name.removeprefix(OWN) in kept:
        return True
    if pictures is not None and name in pictures.places:
        return True
    return name.startswith(SAMPLE) and samples.path_of(name.removeprefix(SAMPLE)) is not None


def _strip(place: Place, row: Row, chosen: str | None) -> None:
    """Draws the thumbnails round the chosen picture, with steps to the one before and the next."""
    if chosen is None:
        components.note(_("There is no picture to pick. Give your own."))
        return
    here = row.index(chosen)
    first = here // _AHEAD * _AHEAD
    tiles = row.tiles(first, min(first + _AHEAD, len(row)))
    data = {
        "tiles": [
            {
                "src": data_uri(tile.image) if tile.image else "",
                "title": f"{tile.caption} · {tile.note}",
                "sharp": data_uri(tile.image).startswith("data:image/png"),
            }
            for tile in tiles
        ],
        "first": first,
        "chosen": here,
        "count": len(row),
        "labels": {
            ".before": _("The picture before"),
            ".after": _("The next picture"),
            "row": _("Picture {n} of {all}").format(n=number_format.exact(here + 1), all=number_format.exact(len(row))),
        },
    }
    key = f"{place.key}-strip"

    def picked() -> None:
        index = getattr(st.session_state.get(key), "picked", None)
        if isinstance(index, int | float) and 0 <= index < len(row):
            _pick(place, row.name(int(index)))

    made = style.component("strip", _STRIP, "strip.js", "strip.css")
    made(data=data, key=key, on_picked_change=picked)


def _grid(place: Place, row: Row, chosen: str | None) -> None:
    """Draws a page of all that can be picked, large enough to tell apart."""
    pages = max(1, -(-len(row) // _PAGE))
    key = f"{place.key}-page"
    st.session_state[key] = min(max(int(st.session_state.get(key, 1)), 1), pages)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        components.note(_n("{n} picture", "{n} pictures", len(row)).format(n=number_format.exact(len(row))))
        if pages > 1:
            st.number_input(_("Page of {n}").format(n=number_format.exact(pages)), 1, pages, key=key, width=160)
    first = (st.session_state[key] - 1) * _PAGE
    last = min(first + _PAGE, len(row))
    here = row.index(chosen) - first if chosen is not None else -1
    picked = gallery(row.tiles(first, last), key=f"{place.key}-grid", size=84, chosen=here)
    if picked is not None:
        _pick(place, row.name(first + picked))
        st.rerun()


def _pick(place: Place, name: str) -> None:
    """Chooses a picture by its name."""
    if name.startswith(OWN):
        kept = own_pictures.kept().pictures.get(name.removeprefix(OWN))
        if kept is not None:
            _take(place, kept[0])
    else:
        address.write(**{place.param: name})


def _take(place: Place, choice: ImageChoice) -> None:
    """Chooses one of a person's own pictures: no address can name it."""
    choices.set_image(choice, place.use)
    address.write(**{place.param: None})


def _choice(place: Place, pictures: Pictures | None, name: str) -> ImageChoice | None:
    """Returns the picture of a name and puts the name into the address; says why where it cannot be had."""
    if name.startswith(OWN):
        address.write(**{place.param: None})
        return own_pictures.kept().pictures[name.removeprefix(OWN)][0]
    address.write(**{place.param: name})
    if pictures is None or name not in pictures.places:
        sample = name.removeprefix(SAMPLE)
        return ImageChoice("sample", _(samples.SAMPLES[sample]), samples.bytes_of(sample))
    try:
        return _image(pictures, name)
    except InputError as error:
        components.note(translate_error(error))
        return None


def choose_held_out(name: str) -> None:
    """Chooses an image of the run's data, for the picker to show when it is drawn next."""
    address.write(image=name)


def held_out(run: Run, per_class: int = 12) -> dict[str, str]:
    """Returns ``{key: class}`` of some images that a run held out for testing (else for validation), class by class."""
    rows = run.split_rows()
    split = "test" if any(row["split"] == "test" for row in rows) else "val"
    taken: dict[str, list[str]] = {}
    for row in rows:
        if row["split"] == split and len(taken.setdefault(row["label"], [])) < per_class:
            taken[row["label"]].append(row["key"])
    turns = range(max(map(len, taken.values()), default=0))
    return {keys[turn]: label for turn in turns for label, keys in taken.items() if turn < len(keys)}


def dataset_image(run: Run, key: str) -> ImageChoice:
    """Returns one image of a run's data as a choice, losslessly encoded.

    Raises:
        InputError: The data or the image are not there any more.
    """
    pictures = picture_list.of_run(run)
    if key not in pictures.places:
        raise InputError("The image {key} is not among the run's data any more. Choose another one.", key=key)
    return _image(pictures, key)


def _image(pictures: Pictures, key: str) -> ImageChoice:
    dataset = pictures.dataset

    def made() -> ImageChoice:
        position = pictures.places[key]
        file = png(dataset.load(position), repeats=True)
        return ImageChoice("dataset", key, file, dataset.classes[dataset.items[position].label])

    return caches.remember("dataset-images", (*pictures.key, key), made, entries=12)
