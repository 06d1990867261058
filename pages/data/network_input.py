"""As the network sees it: how a picture becomes the square, how it is normalised, and the tensor that enters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.runs.jobs import latest_job
from core.runs.launch import start_job
from core.specs import FITS, NORMALISATIONS, DataSpec, ModelSpec, titles
from core.workflows.jobs.judging.normalisations import NormalisationRequest
from pages.ui.kit import clicks, components, form_fields
from pages.ui.kit.page_states import broken, busy
from pages.ui.kit.tiles import Tile, grid
from pages.ui.runs import job_panel, queue_panel
from pages.ui.selection.image_picker import Place, image_picker
from pages.ui.session import caches, choices
from pages.ui.text import display_names, number_format
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from core.data.dataset import Dataset
    from core.workflows.advisor.normalisations import Normalised

ABOUT = {
    "weights": N_("As the images were that the weights learned from. Frozen features need it."),
    "imagenet": N_("Mean and deviation of the million photographs of ImageNet, whatever the weights were made with."),
    "data": N_("Mean 0 and deviation 1 over your training images: for networks that learn from the start."),
    "255": N_("Values from 0 to 1. Weights that were made for another normalisation no longer fit."),
    "half": N_("Values from −1 to 1, whatever the images are."),
}
DISPLAY = job_panel.JobDisplay(
    failed=N_("The normalisations could not be measured"),
    interrupted=N_("The measurement was interrupted"),
    doing={"measuring colours": N_("Measuring the colours of the training images")},
)
_PLACE = Place("bl-input-image", "picture", "input")
_TILE = 224
Colours = tuple[tuple[float, ...], tuple[float, ...]]


def draw(spec: DataSpec, dataset: Dataset) -> None:
    """Draws how pictures become the network's input; what is chosen here is part of the network that is trained."""
    model = choices.model()
    components.note(
        _("For {network}, which you chose. What you choose here is used in training and in every prediction.").format(
            network=display_names.backbone(model.backbone)
        )
    )
    choice = image_picker(place=_PLACE)
    fit = form_fields.choice(
        _("How a picture becomes the square"), FITS, "bl-fit", names=titles.FITS, value=model.fit, wrap=True
    )
    how = form_fields.choice(
        _("Normalisation"),
        NORMALISATIONS,
        "bl-normalise",
        names=titles.NORMALISATIONS,
        value=model.normalise,
        wrap=True,
    )
    components.note(_(ABOUT[how]), term="normalisation")
    try:
        wanted = _wanted(model, fit, how, spec)
    except InputError as error:
        broken(_("The colours cannot be measured"), translate_error(error), icon="palette", tone="warn")
        return
    if wanted != model:
        choices.set_model(wanted)
        st.rerun()
    if choice is not None:
        _picture(wanted, choice.data, choice.name)
    _accuracies(spec, dataset, wanted)


def _wanted(model: ModelSpec, fit: str, how: str, spec: DataSpec) -> ModelSpec:
    colours = _colours(replace(model, fit=fit), spec) if how == "data" else ()
    return replace(model, fit=fit, normalise=how, colours=colours)


def _colours(model: ModelSpec, spec: DataSpec) -> Colours:
    if caches.colours_known(model, spec):
        return caches.colours(model, spec)
    with busy(_("Measuring the colours of the training images …"), 80):
        return caches.colours(model, spec)


def _picture(model: ModelSpec, data: bytes, name: str) -> None:
    from core.data.images import fit, lost, open_image
    from core.models.catalog.catalog import prepared

    try:
        image = open_image(data, name=name)
        prep = prepared(model)
    except InputError as error:
        components.note(translate_error(error))
        return
    tiles = []
    for way in FITS:
        fitted = prep.fitted(way)
        side, top = lost(image.size, fitted)
        cut = _("nothing is cut off")
        if side or top:
            cut = _("cuts off {side} px left and right, {top} px top and bottom").format(
                side=number_format.exact(round(side)), top=number_format.exact(round(top))
            )
        elif way == "squeeze" and image.width != image.height:
            cut = _("the shape changes by {share}").format(
                share=number_format.percent(max(image.size) / min(image.size) - 1, 0)
            )
        title = _(titles.FITS[way]) + (" · " + _("chosen") if way == model.fit else "")
        tiles.append(Tile(fit(image, fitted), title, cut, tone="good" if way == model.fit else ""))
    components.section(
        _("The square"),
        _("Of {width} × {height} pixels, {side} × {side} enter the network.").format(
            width=image.width, height=image.height, side=prep.crop
        ),
    )
    with st.container(key="bl-fits"):
        grid(tiles, size=_TILE, pixelated=max(image.size) < prep.crop)
    _sheet(image, model)


def _sheet(image: Image.Image, model: ModelSpec) -> None:
    """Draws the tensor on its way: the file's pixels, scaled to 0..1, normalised."""
    import numpy as np
    import torch

    from core.data.images import fit, normalise
    from core.models.catalog.catalog import prepared

    prep = prepared(model)
    pixels = torch.from_numpy(np.array(fit(image, prep)))
    planes = pixels.permute(2, 0, 1).contiguous()
    entering = normalise(planes.unsqueeze(0), prep)[0]
    rows = (
        (_("As decoded"), "H × W × C", pixels.permute(2, 0, 1), pixels),
        (_("Scaled to 0..1"), "C × H × W", planes.float() / 255, planes.float() / 255),
        (_("Normalised: this enters"), "C × H × W", entering, entering),
    )
    components.section(
        _("The tensor that enters"),
        _("Mean {mean} and deviation {std} of red, green and blue are subtracted and divided by.").format(
            mean=_three(prep.mean), std=_three(prep.std)
        ),
        help=_("A network takes numbers: one plane a colour, in the range that its weights were made for."),
    )
    columns: dict[str, list[str]] = {}
    for title, order, by_colour, whole in rows:
        for head, text in _facts(title, order, by_colour, whole).items():
            columns.setdefault(head, []).append(text)
    st.table(columns)


def _facts(title: str, order: str, planes: torch.Tensor, whole: torch.Tensor) -> Mapping[str, str]:
    values = planes.float()
    return {
        _("Step"): title,
        _("Shape"): f"{order}: " + " × ".join(map(str, whole.shape)),
        _("Type"): str(whole.dtype).removeprefix("torch."),
        _("Least"): _number(float(values.min())),
        _("Greatest"): _number(float(values.max())),
        _("Mean of each colour"): ", ".join(_number(float(plane.mean())) for plane in values),
    }


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _three(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:.3g}" for value in values) + ")"


def _accuracies(spec: DataSpec, dataset: Dataset, model: ModelSpec) -> None:
    """Measures, once asked for, what frozen features are worth under each normalisation."""
    components.section(
        _("What the normalisation is worth"),
        help=_("The accuracy of a linear probe on frozen features, each image judged by a probe fitted without it."),
    )

    request = NormalisationRequest.of(caches.anchored(spec), model, caches.check_request(spec).stamp)
    job = latest_job(request)
    if job_panel.draw(job, DISPLAY, key="bl-normalise-job"):
        return
    rows: list[Normalised] | None = job_panel.result(job)
    if rows is None:
        components.note(
            _(
                "Up to 120 training images go through the frozen network under each normalisation, in a process of its "
                "own: about 20 seconds."
            )
        )
        if clicks.button(_("Measure each normalisation"), icon=":material/speed:", key="bl-normalise-measure"):
            _start(request)
        return
    labels = [item.label for item in dataset.items if item.split == "train"]
    chance = max(map(labels.count, set(labels)), default=0) / max(1, len(labels))
    _table(rows, model.normalise, chance)


def _start(request: NormalisationRequest) -> None:
    try:
        start_job(request, roots=caches.roots(), owner=queue_panel.owner())
    except InputError as error:
        broken(_("It cannot be measured"), translate_error(error), icon="report", tone="warn")
        return
    st.rerun()


def _table(rows: list[Normalised], chosen: str, chance: float) -> None:
    measured = [row for row in rows if row.accuracy is not None]
    if measured:
        best = max(measured, key=lambda row: row.accuracy or 0.0)
        now = next((row for row in measured if row.how == chosen), best)
        text = (
            _("**{best}**, which is chosen, gives the most: {most} of {n} images.")
            if now.accuracy == best.accuracy
            else _("**{best}** gives the most, {most} of {n} images; {now}, which is chosen, {here}.")
        )
        if now.accuracy == best.accuracy:
            best = now
        st.markdown(
            text.format(
                best=_(titles.NORMALISATIONS[best.how]),
                most=number_format.percent(best.accuracy, 1),
                n=number_format.exact(best.images),
                now=_(titles.NORMALISATIONS[now.how]),
                here=number_format.percent(now.accuracy, 1),
            )
            + " "
            + _("Always naming the largest class gives {chance}.").format(chance=number_format.percent(chance, 0))
        )
    st.dataframe(
        {
            _("Normalisation"): [_(titles.NORMALISATIONS[row.how]) for row in rows],
            _("Mean"): [_three(row.preprocessing.mean) for row in rows],
            _("Deviation"): [_three(row.preprocessing.std) for row in rows],
            _("Accuracy of frozen features"): [None if row.accuracy is None else 100 * row.accuracy for row in rows],
        },
        hide_index=True,
        key="bl-normalise-table",
        column_config={
            _("Accuracy of frozen features"): st.column_config.ProgressColumn(
                format="%.1f %%", min_value=0, max_value=100
            )
        },
    )
    for row in rows:
        if row.problem is not None:
            components.note(_(row.problem.template).format(**row.problem.values))
