"""Two models side by side: the same channels, how alike the layers are, how far the weights moved."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.feature_maps import compare_sheets, layer_view
from pages.ui.kit import charts, components
from pages.ui.runs import histograms
from pages.ui.selection import checkpoint_picker, layer_picker, network_picker, subjects, user_images
from pages.ui.selection.network_picker import Target
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches
from pages.ui.session.choices import ImageChoice
from pages.ui.text import layer_names, number_format
from pages.ui.text.i18n import _, _n, translate_error

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

    from core.messages import StagedProgress
    from core.models.network import Network
    from core.workflows.inspection.network_comparison import Similarity

IMAGES = 100


def draw(subject: Subject, names: tuple[str, ...]) -> None:
    """Draws the comparison of the network that is looked into with another one."""
    with st.container(key="bl-wrap-beside-choice"):
        left, right = st.columns(2, gap="large")
    with left:
        layer = layer_picker.one_of(subject.network.anatomy, names, "bl-beside-models", last=True)
    with right:
        other = _partner(subject)
    if other is None:
        return
    second = _seen(subject, other)
    if second is None:
        return
    from core.workflows.inspection.network_comparison import same_build

    same = caches.remember(
        "same-build", (*subject.target.key, *other.key), lambda: same_build(subject.network, second.network), entries=32
    )
    _answers(subject, second)
    if same:
        compare_sheets.draw(
            (checkpoint_picker.beside(other, subject.target), layer_view.maps_of(second, layer), second),
            (checkpoint_picker.beside(subject.target, other), layer_view.maps_of(subject, layer), subject),
            layer,
            key=(*subject.key, *other.key, layer),
        )
        _weights(subject, second)
    else:
        components.note(
            _(
                "These are different networks, so channel {n} of one is not channel {n} of the other. What can be "
                "compared is which images their layers take for alike."
            ).format(n=0)
        )
    _cka(subject, second)


def _partner(subject: Subject) -> Target | None:
    """Draws the choice of the other network: another moment of the run, another run, a backbone."""
    from core.models.catalog.catalog import BACKBONES, weights_state
    from core.workflows.checkpoints import epochs_of, named_checkpoints

    options: dict[str, tuple[str, Target | None]] = {}
    run = subject.target.run
    epochs: list[int] = []
    if run is not None:
        for when in named_checkpoints(run):
            target = checkpoint_picker.target_at(run, when)
            if target.key != subject.target.key:
                label = _("This run: {moment}").format(moment=checkpoint_picker.title(when).lower())
                options[f"moment:{when}"] = (label, target)
        if epochs := epochs_of(run):
            options["epoch"] = (_("This run: after an epoch"), None)
    for other in network_picker.runs_with_weights()[:40]:
        if run is None or other.id != run.id:
            options[f"run:{other.id}"] = (_("Run: {name}").format(name=other.name), network_picker.target_of(other))
    for name, row in BACKBONES.items():
        if weights_state(name) == "available" and (name, "default") != subject.target.key[:2]:
            target = Target(name, row.title, "default")
            options[f"backbone:{name}"] = (_("Backbone: {name}").format(name=row.title), target)
    if run is None:
        target = Target(subject.target.reference, _("{name}, random").format(name=subject.target.title), "none")
        if subject.target.weights != "none":
            options["random"] = (_("The same with random weights"), target)
    if not options:
        components.note(_("There is no other network here to compare with: train a run first."))
        return None
    chosen = st.selectbox(
        _("With the model"),
        list(options),
        key="bl-beside-model",
        format_func=lambda name: options[name][0],
        persist_state="session",
    )
    if chosen == "epoch" and run is not None:
        number = histograms.epoch_slider(epochs, key=f"bl-beside-epoch-{run.id}", label=_("After epoch"))
        return checkpoint_picker.target_at(run, str(number))
    return options[chosen][1] if chosen in options else next(iter(options.values()))[1]


def _seen(subject: Subject, other: Target) -> Subject | None:
    try:
        with st.spinner(_("Loading {name} …").format(name=other.title), show_time=True):
            return seen_by(other, other.network(), subject.image)
    except (InputError, OSError) as error:
        text = translate_error(error) if isinstance(error, InputError) else str(error)
        components.note(text)
        return None


def seen_by(target: Target, network: Network, image: ImageChoice) -> Subject:
    """Returns a picture as a network sees it.

    Raises:
        InputError: The picture cannot be used.
    """
    from core.data.images import fit, open_image

    def fitted() -> tuple[tuple[int, int], PILImage]:
        opened = open_image(image.data, name=image.name)
        return opened.size, fit(opened, network.preprocessing)

    original, picture = caches.remember("fitted", (image.sha256, network.preprocessing), fitted, entries=32)
    return Subject(target, network, image, original, picture)


def _answers(first: Subject, second: Subject) -> None:
    """Draws what both say of the picture."""
    with st.container(key="bl-wrap-beside-said"):
        columns = st.columns(2, gap="large")
    for column, part, beside in zip(columns, (second, first), (first, second), strict=True):
        probabilities = part.probabilities()
        order = [int(index) for index in probabilities.argsort()[::-1][:3]]
        with column:
            components.section(checkpoint_picker.beside(part.target, beside.target))
            if not subjects.answered(probabilities):
                components.note(subjects.no_answer())
                continue
            components.probabilities(
                [(part.network.classes[i], float(probabilities[i])) for i in order],
                marked=part.network.classes[order[0]],
            )


def _weights(subject: Subject, second: Subject) -> None:
    """Draws how far each layer's weights lie apart; frozen ones lie exactly where they were."""
    from core.workflows.inspection.network_comparison import moved

    try:
        rows = caches.remember(
            "weights-moved",
            (*subject.target.key, *second.target.key),
            lambda: moved(second.network, subject.network),
            entries=16,
        )
    except InputError as error:
        components.note(translate_error(error))
        return
    components.section(_("How far the weights moved"))
    anatomy = subject.network.anatomy
    still = [row for row in rows if row.relative == 0.0]
    finite = [row.relative for row in rows if row.relative < float("inf")]
    go = charts.plotly()
    chart = charts.figure(260, hovermode="closest", showlegend=False, bargap=0.15)
    chart.add_trace(
        go.Bar(
            x=list(range(len(rows))),
            y=[min(row.relative, max(finite, default=1.0)) for row in rows],
            marker={"color": [charts.FROZEN if row.relative == 0 else charts.ACCENT for row in rows]},
            customdata=[[layer_names.layer(anatomy, row.layer), _share(row.relative)] for row in rows],
            hovertemplate="%{customdata[0]}: %{customdata[1]}<extra></extra>",
        )
    )
    chart.update_xaxes(
        title_text=_("Layers with weights, from the picture on"),
        showticklabels=False,
        showgrid=False,
        ticks="",
        title_standoff=14,
    )
    chart.update_yaxes(title_text=_("Change / length before"), tickformat="$.2~%", rangemode="tozero")
    most = max(rows, key=lambda row: row.relative if row.relative < float("inf") else -1.0)
    text = _n(
        "{n} of {all} layers is the same to the last bit.",
        "{n} of {all} layers are the same to the last bit.",
        len(still),
    ).format(n=len(still), all=len(rows))
    if len(still) < len(rows):
        text += " " + _("The largest change is {share} of its length, in {layer}.").format(
            share=number_format.percent(most.relative), layer=layer_names.layer(anatomy, most.layer)
        )
    damaged = [layer_names.layer(anatomy, row.layer) for row in rows if row.relative != row.relative]
    if damaged:
        text += " " + _n(
            "{n} layer holds weights that are no numbers: {names}.",
            "{n} layers hold weights that are no numbers: {names}.",
            len(damaged),
        ).format(n=len(damaged), names="; ".join(damaged[:4]) + (" …" if len(damaged) > 4 else ""))
    statistics = [row for row in rows if row.statistics and row.relative == 0.0]
    if statistics:
        text += " " + _n(
            "In {n} of the unmoved layers the running statistics moved.",
            "In {n} of the unmoved layers the running statistics moved.",
            len(statistics),
        ).format(n=len(statistics))
    charts.show(chart, key="bl-beside-moved", alt=text)


def _share(relative: float) -> str:
    if math.isnan(relative):
        return _("not a number")
    return number_format.percent(relative) if relative < float("inf") else "∞"


def _cka(subject: Subject, second: Subject) -> None:
    """Draws how alike the layers of both are, over the person's images."""
    from core.workflows.inspection.network_comparison import similarity

    components.section(
        _("How alike the layers are"),
        _("CKA: 1 where two layers take the same images for alike, 0 where they have nothing in common."),
    )
    own = user_images.choose(subject, "bl-cka", most=IMAGES)
    if own is None:
        return
    key = (*subject.target.key, *second.target.key, *own.key)

    def compared(progress: StagedProgress | None = None) -> Similarity:
        return caches.remember(
            "similarities",
            key,
            lambda: similarity(second.network, subject.network, own.images, progress=progress),
            entries=8,
        )

    found: Similarity | None
    if caches.known("similarities", key, entries=8):
        found = compared()
    else:
        found = user_images.on_request(
            key, compared, "", _("Compare the layers"), icon=":material/grid_on:", key="bl-cka"
        )
    if found is not None:
        _matrix(found, second, subject)


def _matrix(found: Similarity, rows: Subject, columns: Subject) -> None:
    import numpy as np

    go = charts.plotly()
    values = found.values
    chart = charts.figure(min(620, 160 + 26 * len(found.rows)), hovermode="closest")
    hover = _("{row} and {column}: {value}").format(row="%{y}", column="%{x}", value="%{z:.2f}") + "<extra></extra>"
    chart.add_trace(
        go.Heatmap(
            z=[[float(v) if np.isfinite(v) else None for v in row] for row in values],
            x=[layer_names.layer(columns.network.anatomy, name) for name in found.columns],
            y=[layer_names.layer(rows.network.anatomy, name) for name in found.rows],
            zmin=0,
            zmax=1,
            xgap=1,
            ygap=1,
            hovertemplate=hover,
            colorbar={"thickness": 10, "outlinewidth": 0},
            colorscale=charts.COLORSCALE,
        )
    )
    chart.update_xaxes(
        title_text=columns.target.title, showgrid=False, type="category", tickangle=40, tickfont={"size": 11}
    )
    chart.update_yaxes(
        title_text=rows.target.title,
        showgrid=False,
        type="category",
        autorange="reversed",
        tickfont={"size": 11},
        title_standoff=20,
    )
    text = _("Linear CKA of the layers on {n} images.").format(n=number_format.exact(found.images))
    if found.images < found.asked:
        text += " " + _("Time ran out for {n} more.").format(n=number_format.exact(found.asked - found.images))
    if found.rows == found.columns:
        layer, value = found.least_alike()
        text += " " + _("Layer against itself: least alike is {layer} with {value}.").format(
            layer=layer_names.layer(rows.network.anatomy, layer), value=subjects.number(value, 2)
        )
    charts.show(chart, key="bl-cka-matrix", alt=text)
    components.why(
        _(
            "Each layer turns the images into a table of which of them it takes for alike; CKA is the correlation of "
            "two such tables. Channels need not belong to each other, so different networks can be compared. HSIC is "
            "estimated without bias, batch by batch, so few images do not make layers look more alike than they are; "
            "values may fall a little below 0."
        ),
        formula=r"\mathrm{CKA}(K,L)=\frac{\mathrm{HSIC}(K,L)}{\sqrt{\mathrm{HSIC}(K,K)\,\mathrm{HSIC}(L,L)}}",
        paper=(
            "Kornblith et al. 2019, Similarity of Neural Network Representations Revisited",
            "https://arxiv.org/abs/1905.00414",
        ),
        key="bl-cka-why",
    )
