"""What a study of heatmaps found: a mean map a class, groups of alike maps, pictures whose evidence lies outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import compact, png
from core.errors import InputError
from pages.heatmaps import region_panel
from pages.ui.kit import components, form_fields, tiles
from pages.ui.kit.components import Figure
from pages.ui.kit.tile_sheet import gallery
from pages.ui.kit.tiles import Tile
from pages.ui.selection import picture_list
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.data.dataset import Dataset
    from core.runs.store import Run
    from core.workflows.inspection.heatmap_study import Maps, Mean, Study

MAP_PX = 192
SHOWN = 12
HALF = 0.5
"""Share of the heat outside from which a picture counts as decided by its surroundings."""
INSIDE = {"object": N_("The object"), "box": N_("A box"), "border": N_("All but the border")}
_GROUP, _INSIDE = "bl.study.group", "bl-study-inside"


@dataclass(frozen=True, slots=True)
class Pictures:
    """Draws pictures of a study with their heat.

    Attributes:
        run: The run.
        job: Id of the study's job.
        dataset: The run's images.
        made: The study.
        maps: Its maps.
        open: Called with the key of a picture that was clicked.
    """

    run: Run
    job: str
    dataset: Dataset
    made: Study
    maps: Maps
    open: Callable[[str], None]

    def draw(self, places: Sequence[int], notes: Sequence[str], key: str) -> None:
        """Draws these rows of the study as pictures that lead to their heatmap."""
        where = picture_list.positions(self.run)
        cells, keys = [], []
        for place, note in zip(places, notes, strict=True):
            row = self.made.rows[place]
            image = self._thumbnail(where, place, row.key)
            if image is None:
                continue
            right = _("right") if row.truth == row.predicted else _("is {name}").format(name=row.truth)
            caption = f"{row.predicted} · {right}"
            alt = _("{key}: heat for {name}, {note}").format(key=row.key, name=row.target, note=note)
            cells.append(Tile(image, caption, note, alt))
            keys.append(row.key)
        picked = gallery(cells, key=key, size=MAP_PX // 2 + 40, help=_("See this heatmap")) if cells else None
        if picked is not None:
            self.open(keys[picked])

    def _thumbnail(self, where: dict[str, int], place: int, key: str) -> bytes | None:
        if key not in where:
            return None

        def make() -> bytes:
            from core.interpret.drawing.overlay import overlay

            image = self.dataset.load(where[key])
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            cut = image.crop((left, top, left + side, top + side)).resize((MAP_PX, MAP_PX))
            return compact(overlay(cut, self.maps[place].astype("float32"), opacity=0.5), MAP_PX)

        try:
            return caches.remember("study-pictures", (self.job, key), make, entries=384)
        except InputError:
            return None


def means(made: Study, maps: Maps) -> None:
    """Draws the mean map of each explained class, and what of it leans to the middle or the border."""
    from core.workflows.inspection.heatmap_study import EVEN_BORDER, mean_of

    components.section(_("Where it looks as a rule"), _("The mean of the heatmaps of each class."))
    cells = []
    for name in dict.fromkeys(row.target for row in made.rows):
        mean = mean_of(made.rows, maps, [place for place, row in enumerate(made.rows) if row.target == name])
        if mean is not None:
            cells.append(Tile(_picture(mean.heat), name, _words(mean), _("Mean heatmap of {name}").format(name=name)))
    tiles.grid(cells, size=150)
    whole = mean_of(made.rows, maps, range(len(made.rows)))
    if whole is None:
        components.note(_("Nothing spoke for any class in any picture."))
        return
    rows = [
        Figure(
            _("Middle quarter"),
            number_format.percent(whole.middle),
            _("25 %\u00a0if the heat were even"),
            _("Share of the heat in the middle quarter of the picture, mean of all pictures."),
        ),
        Figure(
            _("Border"),
            number_format.percent(whole.border),
            _("{even} if the heat were even").format(even=number_format.percent(EVEN_BORDER)),
            _("Share of the heat in the outer tenth on each side."),
        ),
    ]
    if whole.inside is not None:
        rows.append(
            Figure(
                _("On the object"),
                number_format.percent(whole.inside),
                _("it covers {area}").format(area=number_format.percent(whole.area)),
            )
        )
        hits = [row.hit for row in made.rows if row.hit is not None and not row.empty]
        rows.append(
            Figure(_("Peak on the object"), number_format.percent(sum(hits) / max(len(hits), 1)), _("pointing game"))
        )
    blank = sum(row.empty for row in made.rows)
    if blank:
        rows.append(Figure(_("Empty maps"), number_format.exact(blank), _("of {n}").format(n=len(made.rows))))
    components.metrics(rows, compact=True)
    components.note(bias(whole.middle, whole.border, EVEN_BORDER))


def bias(middle: float, border: float, even: float) -> str:
    """Says whether the heat leans to the middle or to the border."""
    if middle > 1.5 * 0.25:
        return _(
            "The evidence leans to the middle: so do most photographers. A model that only looks there fails elsewhere."
        )
    if border > 1.25 * even:
        return _("The evidence leans to the border, where frames, dates and logos are. Look at the pictures below.")
    return _("The evidence leans neither to the middle nor to the border.")


def groups(made: Study, maps: Maps, pictures: Pictures) -> None:
    """Draws the groups of alike maps of a class, and some pictures of one of them."""
    from core.workflows.inspection.heatmap_study import mean_of

    several = {
        name: count
        for name in dict.fromkeys(row.target for row in made.rows)
        if (count := 1 + max((row.group or 0 for row in made.rows if row.target == name), default=0)) > 1
    }
    components.section(
        _("Ways of deciding"),
        _("Groups of alike heatmaps. A small group that is surprisingly often right may hide a shortcut."),
    )
    if not several:
        components.note(_("The heatmaps of no class fall into groups: they all lie along one range."))
        return
    name = st.selectbox(_("Class"), list(several), key="bl-study-class", label_visibility="collapsed", width=320)
    name = name if name in several else next(iter(several))
    cells = []
    for group in range(several[name]):
        places = [i for i, row in enumerate(made.rows) if row.target == name and row.group == group]
        mean = mean_of(made.rows, maps, places)
        if mean is not None:
            title = _n("{n} picture", "{n} pictures", mean.count).format(n=mean.count)
            note = _("{share} right").format(share=number_format.percent(mean.right, 0)) + " · " + _words(mean)
            alt = _("Mean heatmap of group {n}").format(n=group + 1)
            cells.append(Tile(_picture(mean.heat), title, note, alt))
    kept = st.session_state.get(_GROUP)
    chosen = kept if isinstance(kept, int) and kept < len(cells) else 0
    picked = gallery(cells, key="bl-study-groups", size=150, help=_("Show its pictures"), chosen=chosen)
    if picked is not None and picked != chosen:
        st.session_state[_GROUP] = picked
        st.rerun()
    places = [i for i, row in enumerate(made.rows) if row.target == name and row.group == chosen][:SHOWN]
    pictures.draw(places, [number_format.percent(made.rows[i].probability) for i in places], "bl-study-members")
    components.why(
        _(
            "Each heatmap is shrunk to 16 × 16 values and joined with the ten it resembles most. Where this net of "
            "pictures falls apart into nearly separate parts, the network decides in different ways. The number of "
            "parts is where the eigenvalues of the net's Laplacian have their widest gap."
        ),
        paper=("Lapuschkin et al. 2019", "https://arxiv.org/abs/1902.10178"),
        key="bl-study-why",
    )


def outside(made: Study, maps: Maps, pictures: Pictures) -> None:
    """Draws the pictures whose evidence lies outside the object, or outside a box that the person draws."""
    from core.workflows.inspection.heatmap_study import outside as ordered

    components.section(_("Evidence outside"), _("The pictures whose heat lies farthest outside come first."))
    kinds = [*(["object"] if made.known_objects() else []), "box", "border"]
    if st.session_state.get(_INSIDE) not in kinds:
        st.session_state[_INSIDE] = kinds[0]
    kind = form_fields.choice(_("Inside means"), kinds, _INSIDE, names=INSIDE)
    box = None
    if kind == "box":
        with st.container(key="bl-wrap-study-box"):
            left, right = st.columns(2, gap="medium")
        across = left.slider(_("From left to right"), 0, 100, (25, 75), format="%d %%", key="bl-study-across")
        down = right.slider(_("From top to bottom"), 0, 100, (25, 75), format="%d %%", key="bl-study-down")
        box = region_panel.shares(across, down)
    elif kind == "border":
        box = (0.1, 0.1, 0.9, 0.9)
    rows = ordered(made, maps, box)
    count = sum(share > HALF for _place, share in rows)
    components.note(
        _n(
            "In {n} of {all} pictures more than half of the heat lies outside.",
            "In {n} of {all} pictures more than half of the heat lies outside.",
            count,
        ).format(n=count, all=len(rows))
    )
    first = rows[:SHOWN]
    notes = [_("{share} outside").format(share=number_format.percent(share, 0)) for _place, share in first]
    pictures.draw([place for place, _share in first], notes, "bl-study-outside")


def _picture(heat: NDArray[np.floating]) -> bytes:
    from PIL import Image

    from core.interpret.drawing.overlay import heat_image

    return png(heat_image(heat).resize((MAP_PX, MAP_PX), Image.Resampling.BILINEAR))


def _words(mean: Mean) -> str:
    if mean.inside is not None:
        return _("{share} on the object").format(share=number_format.percent(mean.inside, 0))
    return _("{share} in the middle").format(share=number_format.percent(mean.middle, 0))
