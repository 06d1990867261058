"""Train: choose a recipe, start it in a process of its own, watch whether it learns."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Any

import streamlit as st

from core.errors import InputError
from core.runs.store import LIVE
from core.specs import AUGMENTATIONS, OPTIMIZERS, AugmentSpec, Experiment
from core.training.recipes import DEFAULT_EPOCHS
from pages.ui import caches, components, costs, live, names, nav, planning, state
from pages.ui.faces import busy, empty
from pages.ui.i18n import N_, _
from pages.ui.state import TrainChoice

ABOUT = {
    "linear-probe": N_("Only a new head learns, on features computed once. Seconds."),
    "two-phase": N_("The head first; then some last stages too, at a lower rate."),
    "fine-tune": N_("The head and some last stages learn from the start."),
    "gradual": N_("The head first; then one stage after the other joins in, the last ones first."),
    "full": N_("Everything learns, from pretrained weights."),
    "scratch": N_("Everything learns, from random weights. Needs many images."),
}
AUGMENT = {"none": N_("None"), "basic": N_("Basic"), "strong": N_("Strong"), "own": N_("My own")}
RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
BATCHES = (4, 8, 16, 32, 64, 128, 256)


def render() -> None:
    """Draws the page."""
    components.header("train")
    run = _watched()
    if run is not None:
        _watch(run)
        return
    data = state.data()
    if data is None:
        empty(
            _("No images chosen yet"),
            _("A training needs images with at least two classes. Choose a built-in set or your own folder first."),
            action=_("Choose images"), target="data", icon="photo_library",
        )  # fmt: skip
        return
    with busy(_("Looking through the images …")):
        dataset = caches.divided(data)
    _set_up(dataset)


def _watched() -> Any:
    """Returns the run to watch: the address's, or the session's while it is alive; ``None`` to set one up."""
    if st.query_params.get("run"):
        return state.run()
    if st.session_state.get("bl.train.new"):
        return None
    try:
        run = state.run()
        return run if run is not None and run.state in LIVE else None
    except InputError:
        state.choose_run(None)
        return None


# --- watching ---------------------------------------------------------------------------------------------------------


def _watch(run: Any) -> None:
    status = run.status()
    state.show_in_address(run=run.id)
    if status["state"] in LIVE:
        live.watch(run, key="bl-train-live")
        components.note(
            _("This page only looks on: close it, reload it or open it elsewhere, and the training goes on.")
        )
        if st.button(_("Set up another training"), icon=":material/add:", key="bl-another"):
            _new()
        return
    _result(run, status)


def _result(run: Any, status: dict[str, Any]) -> None:
    st.html(f'<div class="bl-live-title">{components.badge(status["state"])}<b><bdi>{escape(run.name)}</bdi></b></div>')
    live.ended(run, status)
    rows = caches.epochs_of(run)
    if rows:
        components.metrics(live.result_figures(status))
        planning.proof(status)
        live.draw_curves(run, status, rows, key="bl-train-done")
    if status["state"] in ("failed", "interrupted"):
        with st.expander(_("The end of its log"), icon=":material/article:", key="bl-log"):
            st.code(run.log(4000) or "–", language=None)
    with st.container(horizontal=True, key="bl-after"):
        if st.button(_("Set up another training"), icon=":material/add:", key="bl-another"):
            _new()
        if status["state"] != "finished" and st.button(_("Train this again"), icon=":material/replay:", key="bl-again"):
            _launch(run.experiment)
    if run.has_weights:
        components.next_step("evaluate", _("Judge it"), text=_("How good is it, and where not?"), run=run.id)


def _new() -> None:
    st.session_state["bl.train.new"] = True
    state.choose_run(None)
    st.rerun()


# --- setting up -------------------------------------------------------------------------------------------------------


def _set_up(dataset: Any) -> None:
    spec = state.model()
    shown = _weights_in_address(spec.weights).get("weights")
    state.show_in_address(data=state.data().source, backbone=spec.backbone, weights=shown)
    with st.container(key="bl-wrap-train"):
        choices, summary = st.columns([1.35, 1], gap="large")
    counts = {split: len(dataset.positions(split)) for split in ("train", "val", "test")}
    with choices:
        choice = _recipe(state.train_choice())
        choice = _numbers(choice)
        choice = _augmentation(choice)
        choice = _rare(choice)
        state.set_train_choice(choice)
    with summary, st.container(border=True, key="bl-summary"):
        experiment = planning.summary(choice, dataset, counts)
        if experiment is not None:
            _start(experiment)


def _recipe(choice: TrainChoice) -> TrainChoice:
    offered = _offered()
    if choice.preset not in offered:
        choice = replace(choice, preset=offered[0], epochs=None, lr=None)
    state.follow("bl-preset", choice.preset)
    preset = st.radio(
        _("Recipe"), offered, key="bl-preset", format_func=names.preset, captions=[_(ABOUT[name]) for name in offered],
    )  # fmt: skip
    if len(offered) == 1:
        components.note(_("The other recipes start from weights that have learned something; this network has none."))
    if preset != choice.preset:
        choice = replace(choice, preset=preset, epochs=None, lr=None)
        spec = state.model()
        if preset == "scratch":
            state.set_model(replace(spec, weights="none"))
        elif spec.weights == "none" and preset != "full":
            state.set_model(replace(spec, weights="default"))
    return choice


def _offered() -> list[str]:
    """Returns the recipes that make sense: without weights to start from, only training from scratch."""
    from core.models.catalog import entries

    spec = state.model()
    return list(ABOUT) if entries(spec.backbone) or ":" in spec.weights else ["scratch"]


def _numbers(choice: TrainChoice) -> TrainChoice:
    choice = _parts(choice)
    first, second, third, fourth = st.columns(4)
    low = planning.fewest_epochs(choice)
    state.follow("bl-epochs", max(low, choice.epochs or DEFAULT_EPOCHS[choice.preset]))
    epochs = first.number_input(
        _("Epochs"), low, 1000, key="bl-epochs", help=_("One epoch shows every training image once.")
    )
    state.follow("bl-batch", choice.batch_size)
    batch = second.selectbox(
        _("Batch"), sorted({*BATCHES, choice.batch_size}), key="bl-batch",
        help=_("Images a step: the gradient is their mean."),
    )  # fmt: skip
    rate = planning.first_rate(choice)
    state.follow("bl-lr", rate)
    lr = third.selectbox(
        _("Learning rate"), sorted({*RATES, rate}), key="bl-lr", format_func=lambda r: f"{r:g}",
        help=_("How far a step goes against the gradient, for the head."),
    )  # fmt: skip
    state.follow("bl-optimizer", choice.optimizer)
    titles = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD", "rmsprop": "RMSprop"}
    optimizer = fourth.selectbox(_("Optimizer"), OPTIMIZERS, key="bl-optimizer", format_func=lambda o: titles.get(o, o))
    if optimizer != choice.optimizer:  # its own default rate follows it
        state.set_train_choice(replace(choice, epochs=epochs, batch_size=batch, optimizer=optimizer, lr=None))
        st.rerun()
    return replace(choice, epochs=epochs, batch_size=batch, lr=choice.lr if lr == rate else lr)


def _parts(choice: TrainChoice) -> TrainChoice:
    """Draws how many last stages learn, where the recipe leaves that open and no parts were chosen by hand."""
    if choice.preset not in planning.WITH_PLAN:
        return choice
    plan, spec = state.freeze(), state.model()
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-parts"):
        if planning.plain(plan) and choice.preset != "gradual":
            count = len(caches.anatomy(spec).backbone_stages)
            stages = planning.stages(plan, count)
            state.follow("bl-stages", stages)
            picked = st.slider(_("Last stages that learn"), 1, count, key="bl-stages")
            if picked != stages:
                state.set_freeze(replace(plan, trainable_stages=picked))
        elif choice.preset != "gradual":
            components.note(_("What learns is your own choice of parts."))
        nav.link("anatomy", _("Choose parts and rates"), backbone=spec.backbone, **_weights_in_address(spec.weights))
    return choice


def _weights_in_address(weights: str) -> dict[str, str]:
    return {} if weights.startswith("file:") else {"weights": weights}


def _augmentation(choice: TrainChoice) -> TrainChoice:
    known = {AugmentSpec.preset(name): name for name in AUGMENTATIONS}
    current = "own" if st.session_state.get("bl.augment.own") else known.get(choice.augment, "own")
    state.follow("bl-augment", current)
    name = st.segmented_control(
        _("Augmentation"), list(AUGMENT), key="bl-augment", format_func=lambda a: _(AUGMENT[a]), required=True,
        help=_("Training images are changed at random each time they are seen: details are not learned by heart."),
    )  # fmt: skip
    st.session_state["bl.augment.own"] = name == "own"
    if name != "own":
        return replace(choice, augment=AugmentSpec.preset(name or "none"))
    return replace(choice, augment=_own_augmentation(choice.augment))


def _own_augmentation(spec: AugmentSpec) -> AugmentSpec:
    columns = st.columns(4)
    for key, value in (("flip", spec.flip), ("crop", round(spec.crop_scale * 100)), ("turn", int(spec.rotation)),
                       ("colour", round(spec.color * 100))):  # fmt: skip
        st.session_state.setdefault(f"bl-augment-{key}", value)
    flip = columns[0].toggle(_("Mirror"), key="bl-augment-flip", persist_state="session")
    crop = columns[1].slider(
        _("Smallest crop"), 10, 100, key="bl-augment-crop", format="%d %%", persist_state="session",
        help=_("Share of the image's area that a random crop keeps at least."),
    )  # fmt: skip
    turn = columns[2].slider(_("Rotation"), 0, 90, key="bl-augment-turn", format="± %d°", persist_state="session")
    colour = columns[3].slider(_("Colour"), 0, 100, key="bl-augment-colour", format="± %d %%", persist_state="session")
    return AugmentSpec(flip=bool(flip), crop_scale=crop / 100, rotation=float(turn), color=colour / 100)


def _rare(choice: TrainChoice) -> TrainChoice:
    with components.more("bl-train-more"):
        first, second, third = st.columns(3)
        state.follow("bl-seed", choice.seed)
        seed = first.number_input(
            _("Seed"), 0, 2**31, key="bl-seed", help=_("Same seed, same head weights, order and augmentation.")
        )
        devices = _devices()
        state.follow("bl-device", choice.device if choice.device in devices else "auto")
        device = second.selectbox(
            _("Device"), devices, key="bl-device", format_func=lambda d: _("Automatic") if d == "auto" else d
        )
        spec = state.model()
        state.follow("bl-size", spec.image_size or 0)
        size = third.number_input(
            _("Image size in px (0: the backbone's own)"), 0, 1024, key="bl-size", step=32,
        )  # fmt: skip
        wanted = int(size) if size >= 16 else None
        if wanted != spec.image_size:
            state.set_model(replace(spec, image_size=wanted))
        state.follow("bl-name", choice.name)
        name = st.text_input(
            _("Name of the run"), key="bl-name", max_chars=120, placeholder=planning.default_name(choice)
        )
    return replace(choice, seed=int(seed), device=device, name=name or "")


def _devices() -> list[str]:
    import torch

    return ["auto", "cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]


def _start(experiment: Experiment) -> None:
    costs.figures_before_launch(experiment)
    if st.button(_("Start training"), type="primary", icon=":material/play_arrow:", key="bl-launch", width="stretch"):
        _launch(experiment)
    components.note(_("It trains in a process of its own; you may close this page."))


def _launch(experiment: Experiment) -> None:
    from core.runs.launch import start

    run = start(experiment, roots=caches.roots())
    st.session_state["bl.train.new"] = False
    state.set_freeze(experiment.freeze)
    state.choose_run(run.id)
    st.rerun()


if __name__ == "__main__":
    from pages.ui.shell import run

    run()
