"""The card of the chosen network: what it is, its figures, its weights and its papers."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.specs import ModelSpec
from pages.backbone import weights_picker
from pages.ui.kit import components
from pages.ui.kit.components import Figure
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.glossary import explain
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.models.architectures.records import Backbone


def draw(catalog: ModuleType, spec: ModelSpec, classes: int | None) -> ModelSpec:
    """Draws what the chosen network is, its figures, and where its weights come from.

    Args:
        catalog: The module of that name.
        spec: The network.
        classes: Of the chosen data; a small network is counted with a head for them.
    """
    from core.models.architectures import families, small_networks

    row = catalog.backbone(spec.backbone)
    course = small_networks.find(spec.backbone)
    components.section(row.title, _(course.description if course else families.describe(row.family)))
    place = st.container()
    spec = weights_picker.choose(catalog, spec)
    with place:
        _figures(catalog, spec, row, classes)
    _papers(row)
    return spec


def _figures(catalog: ModuleType, spec: ModelSpec, row: Backbone, classes: int | None) -> None:
    entry = catalog.entry(spec.backbone, spec.weights)
    top1 = entry.top1 if entry else None
    work = entry.gflops * 1e9 if entry and entry.gflops else _anatomy(spec, "macs")
    own = row.source == "course"
    parameters = _anatomy(spec, "total", classes) if own else row.parameters
    head = _("with a head for {n} classes").format(n=classes) if own and classes else _("with its own head")
    side = catalog.preprocessing(spec.backbone, spec.image_size, weights=spec.weights, channels=spec.channels)
    colour = _("square, gray") if side.channels == 1 else _("square, RGB")
    shown = [
        Figure(
            _("Parameters"),
            number_format.count(parameters),
            head,
            exact=_("{n} parameters").format(n=number_format.exact(parameters)),
        ),
        Figure(_("Input"), f"{side.crop} px", colour),
        Figure(_("Work per image"), number_format.count(work), _("multiply-adds"), explain("multiply-adds")),
    ]
    if entry is not None and spec.weights != "none" and not spec.weights.startswith(("run:", "file:")):
        here = _("on this machine") if entry.state == catalog.AVAILABLE else _("to be downloaded")
        right = f"{top1:.1f} %" if top1 else number_format.DASH
        more = _("top-5 {share}").format(share=f"{entry.top5:.1f} %") if entry.top5 else _("of 50,000 photos right")
        shown += [
            Figure(_("ImageNet top-1"), right, more, _("Share of the 50,000 validation photos it names right.")),
            Figure(
                _("Weight file"), number_format.size(entry.size_mb * 1e6) if entry.size_mb else number_format.DASH, here
            ),
        ]
    if row.year:
        shown.append(Figure(_("Year"), str(row.year), _("of its paper")))
    components.metrics(shown, compact=True)


def _anatomy(spec: ModelSpec, figure: str, classes: int | None = None) -> int | None:
    """Returns a figure of the network's anatomy, where nobody published it: ``macs`` or ``total``."""
    try:
        return getattr(caches.anatomy(replace(spec, weights="none"), classes), figure) or None
    except InputError:  # a network of one's own without pieces yet
        return None


def _papers(row: Backbone) -> None:
    from core.models.architectures import families

    lines = [
        _("[{title}]({address}), {year}").format(title=line.paper_title, address=line.paper, year=line.year)
        for line in families.papers(row.family)
    ]
    if not lines and row.paper:
        lines = [_("[Where it comes from]({address})").format(address=row.paper)]
    if lines:
        st.markdown(_("Read more: {papers}.").format(papers="; ".join(lines)))
