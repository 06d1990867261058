"""Train: choose a recipe and start it in a process of its own; :mod:`pages.train.run_view` draws the rest."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import InputError
from core.specs import OPTIMIZERS, Experiment
from core.training.recipes import DEFAULT_EPOCHS, fewest_epochs
from pages.train import (
    advanced_options,
    augmentation_strip,
    lr_finder,
    phase_editor,
    recipe_picker,
    run_view,
    schedule_chart,
    seeds_and_folds,
    summary,
)
from pages.ui.augmentation import presets
from pages.ui.kit import clicks, components, nav
from pages.ui.kit.page_states import busy, empty
from pages.ui.plan import cost_estimate, experiment_plan
from pages.ui.session import address, caches
from pages.ui.session import choices as state
from pages.ui.session.train_form import TrainChoice
from pages.ui.text import display_names
from pages.ui.text.i18n import _, _n

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.models.anatomy.records import Anatomy

RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
BATCHES = (4, 8, 16, 32, 64, 128, 256)


def render() -> None:
    """Draws the page."""
    components.header("train")
    run = run_view.watched()
    if run is not None:
        run_view.show(run)
        return
    data = state.data()
    if data is None:
        empty(
            _("No images chosen yet"),
            _("A training needs images with at least two classes. Choose a built-in set or your own folder first."),
            action=_("Choose images"),
            target="data",
            icon="photo_library",
        )
        return
    with busy(_("Looking through the images …")):
        dataset = caches.divided(data)
    _set_up(dataset)


# --- setting up -------------------------------------------------------------------------------------------------------


def _set_up(dataset: Dataset) -> None:
    spec = state.model()
    address.write(**state.data_params(), **state.model_params(spec))
    with st.container(key="bl-wrap-train"):
        choices, summary_place = st.columns([1.35, 1], gap="large")
    counts = {split: len(dataset.positions(split)) for split in ("train", "val", "test")}
    refused: list[InputError] = []
    with choices:
        choice, chart = _choices(dataset, refused)
        state.set_train_choice(choice)
    with summary_place, st.container(border=True, key="bl-summary"):
        planned = summary.draw(choice, dataset, counts, refused)
        seconds = None if planned is None else cost_estimate.figures_before_launch(planned[0])
    if planned is not None:
        with chart:
            drawn = planned[0].training.drawn([*dataset.counts()["train"].values()])
            schedule_chart.draw(*planned, drawn)
            lr_finder.draw(planned[0], lambda phase, rate: recipe_picker.take_rate(rate, phase, len(dataset.classes)))
        _start(choice, *planned, seconds)
    state.show_setup_in_address()


def _choices(dataset: Dataset, refused: list[InputError]) -> tuple[TrainChoice, DeltaGenerator]:
    """Draws all choices; returns them, and the place where the chart of the rate belongs.

    Args:
        dataset: The images.
        refused: Gets what a control says and the record could not take.
    """
    classes = len(dataset.classes)
    choice = recipe_picker.draw(state.train_choice(), classes)
    if choice.preset == "course":
        recipe_picker.below(choice, classes)
        return choice, st.container(key="bl-schedule-place")
    chart = st.container(key="bl-schedule-place") if choice.preset == "custom" else None
    if choice.preset == "custom":
        with suppress(InputError):  # the summary says what the network refuses
            anatomy = caches.anatomy(state.model(), classes)
            choice = replace(choice, phases=phase_editor.draw(choice.phases, anatomy, refused))
    if choice.by_phase:
        choice = replace(choice, batch_size=_batch(st.columns(4)[0], choice))
    else:
        choice = _numbers(choice)
    ways = st.container(key="bl-recipe-ways-place")
    if chart is None:
        chart = st.container(key="bl-schedule-place")
    choice = replace(choice, augment=presets.draw(choice.augment))
    augmentation_strip.draw(choice.augment, dataset, choice.seed)
    choice = advanced_options.draw(choice)
    with ways:  # last, as they act on all that was chosen
        recipe_picker.below(choice, classes)
    return choice, chart


def _numbers(choice: TrainChoice) -> TrainChoice:
    choice = _parts(choice)
    first, second, third, fourth = st.columns(4)
    low = fewest_epochs(choice.preset, [start for _stage, start in choice.gradual])
    usual = max(low, choice.epochs or DEFAULT_EPOCHS[choice.preset])
    state.follow("bl-epochs", usual)
    wanted = first.number_input(
        _("Epochs"), low, 1000, key="bl-epochs", help=_("One epoch shows every training image once.")
    )
    epochs = choice.epochs if wanted == usual else int(wanted)
    batch = _batch(second, choice)
    rate = experiment_plan.first_rate(choice)
    state.follow("bl-lr", rate)
    lr = third.selectbox(
        _("Learning rate"),
        sorted({*RATES, rate}),
        key="bl-lr",
        format_func=lambda r: f"{r:g}",
        help=_("How far a step goes against the gradient, for the head."),
    )
    state.follow("bl-optimizer", choice.optimizer)
    optimizer = fourth.selectbox(
        _("Optimizer"),
        OPTIMIZERS,
        key="bl-optimizer",
        format_func=display_names.optimizer,
        help=_("How gradients become steps. Each has a usual rate, which follows it."),
    )
    if optimizer != choice.optimizer:  # its own default rate follows it
        state.set_train_choice(replace(choice, epochs=epochs, batch_size=batch, optimizer=optimizer, lr=None))
        st.rerun()
    return replace(choice, epochs=epochs, batch_size=batch, lr=choice.lr if lr == rate else lr)


def _batch(place: DeltaGenerator, choice: TrainChoice) -> int | Literal["auto"]:
    """Draws the batch size, a number or ``auto``."""
    sizes = {*BATCHES, choice.batch_size}
    state.follow("bl-batch", choice.batch_size)
    picked: int | Literal["auto"] = place.selectbox(
        _("Batch"),
        ["auto", *sorted(size for size in sizes if size != "auto")],
        key="bl-batch",
        format_func=lambda size: _("Automatic") if size == "auto" else str(size),
        help=_("Images a step: the gradient is their mean. Automatic takes as many as the memory holds."),
    )
    return picked


def _parts(choice: TrainChoice) -> TrainChoice:
    """Draws how many last stages learn, where the recipe leaves that open and no parts were chosen by hand."""
    if choice.preset not in experiment_plan.WITH_PLAN:
        return choice
    plan, spec = state.freeze(), state.model()
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-parts"):
        if plan.plain and choice.preset != "gradual":
            count = len(caches.anatomy(spec).backbone_stages)
            stages = plan.last_stages(count)
            state.follow("bl-stages", stages)
            picked = st.slider(_("Last stages that learn"), 1, count, key="bl-stages")
            if picked != stages:
                state.set_freeze(replace(plan, trainable_stages=picked))
        elif choice.preset != "gradual":
            components.note(_("What learns is your own choice of parts."))
        nav.link("anatomy", _("Choose parts and rates"), **state.model_params(spec))
    return choice


def _start(choice: TrainChoice, experiment: Experiment, anatomy: Anatomy, seconds: float | None) -> None:
    """Draws the bar that is always in view: the plan in a sentence, the run's name, and Start."""
    count = seeds_and_folds.count(choice)
    label = _("Start training") if count == 1 else _n("Start {n} training", "Start {n} trainings", count)
    with st.container(key="bl-start", horizontal=True, vertical_alignment="bottom"):
        st.html(f'<p class="bl-plan-line">{escape(summary.sentence(choice, experiment, anatomy))}</p>', width="stretch")
        state.follow("bl-name", choice.name)
        name = st.text_input(
            _("Name of the run"),
            key="bl-name",
            max_chars=120,
            placeholder=experiment_plan.default_name(choice),
            width=220,
            help=_("What it is called in lists. Without one its data, network and recipe are its name."),
        )
        started = clicks.button(
            label.format(n=count),
            type="primary",
            icon=":material/play_arrow:",
            key="bl-launch",
            help=_("It trains in a process of its own; you may close this page."),
        )
    if name != choice.name:
        choice = replace(choice, name=name)
        state.set_train_choice(choice)
        experiment = replace(experiment, name=name or experiment_plan.default_name(choice))
    if started:
        address.write(setup=None)  # the run itself holds it from here on
        if count > 1:
            seeds_and_folds.launch(choice, experiment)
        run_view.launch(experiment, seconds)
