"""From heat to object: the part of a picture that a heatmap shows, its box, and how much of the heat a box holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.explaining.testing import object_mask
from pages.ui.kit import components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.selection import subjects
from pages.ui.selection.subjects import Subject
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.interpret.attribution.heatmap import Heatmap

RULES = {"otsu": N_("Otsu"), "share": N_("Share of the peak")}


def draw(subject: Subject, heat: Heatmap, *, key: str) -> None:
    """Draws the picture with region and box, the figures, and behind a click threshold and a box of one's own."""
    from core.interpret.drawing.regions import draw_region
    from core.interpret.explanation_metrics.localisation import box_mask, energy, placement, region

    with st.container(key=f"bl-wrap-{key}-region"):
        left, right = st.columns([1, 1.6], gap="large")
    with right:
        components.section(_("From heat to object"))
        shown = st.container()
        rule, box = _controls(key)
    found = region(heat.values, rule)
    mask = mask_of(subject)
    rows = [
        Figure(
            _("Area"),
            number_format.percent(found.share),
            _("of the picture"),
            _("Share of the picture above the threshold, {value}.").format(value=number_format.number(found.threshold)),
        ),
        Figure(_("Heat in it"), number_format.percent(found.heat), _("of all heat")),
    ]
    if found.box is not None:
        width, height = found.box[2] - found.box[0], found.box[3] - found.box[1]
        rows.append(
            Figure(_("Box"), f"{width} × {height}", _("px, from {x}, {y}").format(x=found.box[0], y=found.box[1]))
        )
    if mask is not None:
        place = placement(heat.values, mask, rule)
        rows += [
            Figure(
                _("Heat on the object"),
                number_format.percent(place.energy),
                _("it covers {area}").format(area=number_format.percent(place.area)),
                _("Where the object is, is known. Heat thrown at random would come to the object's own share."),
            ),
            Figure(_("Peak on the object"), _("yes") if place.hit else _("no"), _("pointing game")),
            Figure(_("Overlap"), number_format.number(place.iou, 2), _("IoU of region and object")),
        ]
    if box is not None:
        drawn = box_mask(box, heat.values.shape)
        rows.append(
            Figure(
                _("Heat in your box"),
                number_format.percent(energy(heat.values, drawn)),
                _("it covers {area}").format(area=number_format.percent(float(drawn.mean()))),
            )
        )
    with shown:
        components.metrics(rows, compact=True)
    with left:
        subjects.picture(
            draw_region(subject.picture, found.mask, found.box, object_mask=mask, drawn=box),
            title=_("What the map shows"),
            text=_legend(mask, box),
            most=320,
            alt=_("The picture with the region above the threshold and its box"),
        )


def mask_of(subject: Subject) -> NDArray[np.bool_] | None:
    """Returns where the object is in the picture as the network sees it (bool, HxW); ``None`` where nobody knows."""
    run, image = subject.target.run, subject.image
    if run is None or image.kind != "dataset":
        return None
    return object_mask(run, image.name, subject.network.preprocessing)


def _controls(key: str) -> tuple[str | float, tuple[float, float, float, float] | None]:
    """Draws the rare choices; returns the threshold's rule and the drawn box."""
    with st.expander(_("Threshold and box"), icon=":material/crop:", key=f"{key}-box"):
        kind = form_fields.choice(
            _("Threshold"),
            RULES,
            f"{key}-rule",
            default="otsu",
            help=_("Otsu's threshold splits the values best into two groups."),
        )
        rule: str | float = "otsu"
        if kind == "share":
            rule = (
                st.slider(
                    _("Share of the peak"), 5, 95, 50, 5, format="%d %%", key=f"{key}-share", persist_state="session"
                )
                / 100
            )
        box = None
        if st.toggle(_("Draw a box"), key=f"{key}-boxed", persist_state="session"):
            across = st.slider(_("From left to right"), 0, 100, (25, 75), format="%d %%", key=f"{key}-across")
            down = st.slider(_("From top to bottom"), 0, 100, (25, 75), format="%d %%", key=f"{key}-down")
            box = shares(across, down)
    return rule, box


def shares(across: tuple[int, int], down: tuple[int, int]) -> tuple[float, float, float, float]:
    """Returns a box as shares of the picture from two ranges in percent; one without area is made one percent wide."""
    (left, right), (top, bottom) = ((min(low, 99), max(high, min(low, 99) + 1)) for low, high in (across, down))
    return left / 100, top / 100, right / 100, bottom / 100


def _legend(mask: NDArray[np.bool_] | None, box: tuple[float, float, float, float] | None) -> str:
    parts = [_("white: above the threshold, and its box")]
    if mask is not None:
        parts.append(_("green: the object"))
    if box is not None:
        parts.append(_("orange: your box"))
    return "; ".join(parts)
