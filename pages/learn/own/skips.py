"""One skip of one's own network cut: which kinds of blocks there are, gradients by layer, answers on one's pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.messages import Progress
from pages.learn import own_network
from pages.learn.number_grid import written
from pages.ui.kit import charts, components, nav
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import broken
from pages.ui.selection import background_work
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches
from pages.ui.text import layer_names, number_format
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as Chart

    from core.data.dataset import Dataset
    from core.lessons.own.skips import Cut, Skip

BLOCK = "bl-learn-block"
PICTURES = 24
"""Pictures that answers are compared on, at most."""
KINDS = {False: N_("Identity block"), True: N_("Convolution block")}
LEAST = 1e-30


@dataclass(frozen=True, slots=True)
class _Found:
    """What one cut changed; ``same`` and ``right`` are numbers of pictures, ``right`` only where labels are known."""

    cut: Cut
    pictures: int
    same: int
    right: tuple[int, int] | None


@own_network.on_subject
def draw(subject: Subject) -> None:
    """Draws the choice of network and picture, and the bench."""
    from core.lessons.own.skips import skips

    found = skips(subject.network)
    if not found:
        broken(
            _("There is no skip here"),
            _(
                "The network {name} has no block that adds its input to its answer. ResNet, MobileNetV2 and "
                "EfficientNet have them."
            ).format(name=subject.network.name),
            icon="info",
            tone="warn",
        )
        return
    names = [skip.name for skip in found]
    name = own_network.layer(subject, names, BLOCK, default=names[0])
    spec, dataset = own_network.pictures(subject.target), None
    try:
        dataset = caches.divided(spec) if spec is not None else None
    except InputError as error:
        components.note(translate_error(error))
    places = _places(dataset, subject) if dataset is not None else []
    try:
        cut = background_work.by_itself(
            "learn-skips",
            (*subject.key, name, dataset and dataset.state(places)),
            lambda progress: _made(subject, name, dataset, places, progress),
            label=_("Cut this skip"),
            doing=_("Cutting the skip in a copy, and asking both …"),
        )
    except InputError as error:
        broken(_("This skip cannot be cut"), translate_error(error), icon="report", tone="warn")
        return
    if cut is None:
        return
    charts.show(
        _chart(subject, cut.cut),
        key="bl-learn-block-chart",
        alt=_(
            "Length of the gradient of each layer's weights for what the network says of your picture, with all skips "
            "and without this one"
        ),
    )
    _figures(subject, cut)
    if spec is None:
        nav.link("data", _("Choose your own pictures to see on how many the answer changes"))
    _table(subject, found, name)


def _places(dataset: Dataset, subject: Subject) -> list[int]:
    """Returns which pictures both are asked about: of a run the held-out ones first, else evenly over all."""
    held = [place for split in ("test", "val", "train") for place in dataset.positions(split)]
    step = max(1, len(held) // PICTURES) if subject.target.run is None else 1
    return held[::step][:PICTURES]


def _made(subject: Subject, name: str, dataset: Dataset | None, places: Sequence[int], progress: Progress) -> _Found:
    import torch

    from core.data.images import to_tensor
    from core.interpret.shared_copy import shared_copy
    from core.lessons.own.skips import answers, compare, without

    network, total = subject.network, 2 * len(places) + 1
    progress(0, total)
    cut = without(network, name)
    compared = compare(network, cut, subject.input())
    progress(1, total)
    if dataset is None:
        return _Found(compared, 0, 0, None)
    batch = torch.cat([to_tensor(dataset.load(place), network.preprocessing) for place in places])
    whole = caches.remember(
        "learn-whole-answers",
        (*subject.target.key, dataset.state(places)),
        lambda: answers(shared_copy(network), batch, lambda done, _all: progress(1 + done, total)),
    )
    later = answers(cut, batch, lambda done, _all: progress(1 + len(places) + done, total))
    right = None
    if tuple(dataset.classes) == tuple(network.classes):
        labels = torch.tensor([dataset.items[place].label for place in places])
        right = int((whole == labels).sum()), int((later == labels).sum())
    return _Found(compared, len(places), int((whole == later).sum()), right)


def _figures(subject: Subject, found: _Found) -> None:
    cut = found.cut
    ratio = f"× {written(cut.cut[0] / cut.whole[0], 3)}" if cut.whole[0] else number_format.DASH
    figures = [
        Figure(
            _("Probability of {name}").format(name=subject.network.classes[cut.named]),
            f"{number_format.percent(cut.probabilities[0])} → {number_format.percent(cut.probabilities[1])}",
            _("with the skip → without"),
        ),
        Figure(_("First layer's gradient"), ratio, _("without the skip, over with it")),
    ]
    if found.pictures:
        figures.append(
            Figure(_("Same answer"), f"{found.same} / {found.pictures}", _("of your pictures, without training anew"))
        )
    if found.right:
        figures.append(
            Figure(
                _("Right answers"),
                f"{found.right[0]} → {found.right[1]}",
                _("of {n} of the run's pictures").format(n=found.pictures),
            )
        )
    components.metrics(figures, compact=True)


def _table(subject: Subject, found: Sequence[Skip], chosen: str) -> None:
    anatomy = subject.network.anatomy
    heads = (_("Block"), _("In the paper"), _("Kind"), _("Size"), _("1 × 1 on the shortcut"))
    head = "".join(f"<th>{word}</th>" for word in heads)
    body = "".join(
        f'<tr{" class=bl-end" if skip.name == chosen else ""}><td title="{escape(skip.name)}">'
        f"{escape(layer_names.layer(anatomy, skip.name))}</td>"
        f"<td>{_in_paper(subject.network.name, skip.name)}</td>"
        f"<td>{_(KINDS[bool(skip.projection)])}</td>"
        f"<td><bdi>{_size(skip.before)}</bdi> → <bdi>{_size(skip.after)}</bdi></td>"
        f"<td><bdi>{number_format.exact(skip.projection) if skip.projection else number_format.DASH}</bdi></td></tr>"
        for skip in found
    )
    st.html(
        f'<div class="bl-wide"><table class="bl-ladder bl-even"><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
        "</table></div>"
    )
    components.note(
        _(
            "An identity block adds what came in; a convolution block, where size or channels change, a 1 × 1 "
            "convolution of it. ResNet's stages are called conv2_x to conv5_x in the paper."
        )
    )


def _in_paper(network: str, name: str) -> str:
    """Returns what He et al. call a ResNet's stage; a dash elsewhere."""
    stage = re.match(r"layer([1-4])\.", name)
    return f"conv{int(stage[1]) + 1}_x" if stage and "resne" in network.lower() else number_format.DASH


def _size(shape: tuple[int, ...]) -> str:
    """Writes a map as the paper does: height, width, channels; other shapes as they are."""
    ordered = (*shape[1:], shape[0]) if len(shape) == 3 else shape
    return " × ".join(map(str, ordered))


def _chart(subject: Subject, cut: Cut) -> Chart:
    go = charts.plotly()
    chart = charts.figure(340)
    anatomy = subject.network.anatomy
    names = [layer_names.layer(anatomy, name) for name in cut.layers]
    for values, name, colour in (
        (cut.whole, _("With all skips"), charts.ACCENT),
        (cut.cut, _("Without this one"), charts.VAL),
    ):
        chart.add_trace(
            go.Scatter(
                x=list(range(1, len(values) + 1)),
                y=[value if value > LEAST else None for value in values],
                name=name,
                text=names,
                mode="lines+markers",
                line={"color": colour, "width": 2.5},
                hovertemplate="%{text}: %{y:.3g}<extra></extra>",
            )
        )
    chart.update_xaxes(title_text=_("Layer, from the picture to the answer"))
    lengths = (value for value in (*cut.whole, *cut.cut) if value > LEAST)
    chart.update_yaxes(title_text=_("Length of the gradient"), **charts.magnitudes(lengths))
    return chart
