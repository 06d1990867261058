"""Train: choose a recipe, start it in a process of its own, watch whether it learns."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Any

import streamlit as st

from core.errors import InputError
from core.runs.store import LIVE
from core.specs import AUGMENTATIONS, OPTIMIZERS, AugmentSpec, Experiment, TrainingSpec
from core.training.recipes import DEFAULT_EPOCHS, Recipe, make_recipe
from pages.ui import caches, components, figures, live, names, nav, state
from pages.ui.components import Figure
from pages.ui.faces import broken, busy, empty
from pages.ui.i18n import N_, _, _n, translate_error
from pages.ui.state import TrainChoice

ABOUT = {
    "linear-probe": N_("Only a new head learns, on features computed once. Seconds."),
    "two-phase": N_("The head first; then some last stages too, at a lower rate."),
    "fine-tune": N_("The head and some last stages learn from the start."),
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
    state.show_in_address(data=state.data().source, backbone=state.model().backbone, weights=state.model().weights)
    with st.container(key="bl-wrap-train"):
        choices, summary = st.columns([1.35, 1], gap="large")
    with choices:
        choice = _recipe(state.train_choice())
        choice = _numbers(choice)
        choice = _augmentation(choice)
        choice = _rare(choice)
        state.set_train_choice(choice)
    with summary, st.container(border=True, key="bl-summary"):
        _summary(choice, dataset)


def _recipe(choice: TrainChoice) -> TrainChoice:
    state.follow("bl-preset", choice.preset)
    preset = st.radio(
        _("Recipe"), list(ABOUT), key="bl-preset", format_func=names.preset,
        captions=[_(text) for text in ABOUT.values()],
    )  # fmt: skip
    if preset != choice.preset:
        choice = replace(choice, preset=preset, epochs=None, lr=None)
        spec = state.model()
        if preset == "scratch":
            state.set_model(replace(spec, weights="none"))
        elif spec.weights == "none" and preset != "full":
            state.set_model(replace(spec, weights="default"))
    return choice


def _stages(choice: TrainChoice) -> int | None:
    """Returns how many last stages learn, where the recipe leaves that open."""
    if choice.preset not in ("fine-tune", "two-phase"):
        return None
    plan = state.freeze()
    spec = state.model()
    count = len(caches.anatomy(spec).backbone_stages)
    return count if plan.trainable_stages == "all" else min(max(1, int(plan.trainable_stages)), count)


def _plan(choice: TrainChoice) -> Recipe:
    return make_recipe(
        choice.preset, epochs=choice.epochs, lr=choice.lr, optimizer=choice.optimizer,
        unfreeze_stages=_stages(choice), weights=state.model().weights,
    )  # fmt: skip


def _numbers(choice: TrainChoice) -> TrainChoice:
    recipe = _plan(choice)
    stages = _stages(choice)
    if stages is not None:
        spec = state.model()
        count = len(caches.anatomy(spec).backbone_stages)
        state.follow("bl-stages", stages)
        picked = st.slider(_("Last stages that learn"), 1, count, key="bl-stages")
        if picked != stages:
            state.set_freeze(replace(state.freeze(), trainable_stages=picked))
            recipe = _plan(choice)
    first, second, third, fourth = st.columns(4)
    low = 2 if choice.preset == "two-phase" else 1
    state.follow("bl-epochs", max(low, choice.epochs or DEFAULT_EPOCHS[choice.preset]))
    epochs = first.number_input(
        _("Epochs"), low, 1000, key="bl-epochs", help=_("One epoch shows every training image once.")
    )
    state.follow("bl-batch", choice.batch_size)
    batch = second.selectbox(
        _("Batch"), sorted({*BATCHES, choice.batch_size}), key="bl-batch",
        help=_("Images a step: the gradient is their mean."),
    )  # fmt: skip
    rate = recipe.phases[0].lr
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
        name = st.text_input(_("Name of the run"), key="bl-name", max_chars=120, placeholder=_default_name(choice))
    return replace(choice, seed=int(seed), device=device, name=name or "")


def _devices() -> list[str]:
    import torch

    return ["auto", "cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]


def _default_name(choice: TrainChoice) -> str:
    return _("{data}, {recipe}").format(data=state.data_title() or "", recipe=names.preset(choice.preset).lower())


# --- the summary before launch ----------------------------------------------------------------------------------------


def _summary(choice: TrainChoice, dataset: Any) -> None:
    components.section(_("What will happen"))
    try:
        recipe = _plan(choice)
        experiment = _experiment(choice, recipe)
    except InputError as error:
        broken(_("This does not fit together yet"), translate_error(error), icon="report", tone="warn")
        return
    counts = {split: len(dataset.positions(split)) for split in ("train", "val", "test")}
    st.markdown(_words(experiment, dataset, counts))
    _phase_list(recipe)
    _summary_figures(experiment, recipe, counts)
    _weights_note(experiment)
    if st.button(_("Start training"), type="primary", icon=":material/play_arrow:", key="bl-launch", width="stretch"):
        _launch(experiment)
    components.note(_("It trains in a process of its own; you may close this page."))


def _words(experiment: Experiment, dataset: Any, counts: dict[str, int]) -> str:
    sentence = _("**{backbone}**, {weights}, learns the {classes} classes of **{data}** from {train} images.").format(
        backbone=components.plain(names.backbone(experiment.model.backbone)),
        weights=names.weights(experiment.model.weights), classes=len(dataset.classes),
        data=components.plain(dataset.title), train=figures.exact(counts["train"]),
    )  # fmt: skip
    held = _("{val} validate each epoch").format(val=figures.exact(counts["val"]))
    if counts["test"]:
        held += _(", {test} test the best weights at the end").format(test=figures.exact(counts["test"]))
    return f"{sentence} {held}."


def _phase_list(recipe: Recipe) -> None:
    rows = []
    for number, phase in enumerate(recipe.phases, start=1):
        stages = recipe.freeze.trainable_stages
        what = (
            _("the head") if phase.trains == "head" or stages == 0
            else _("everything") if stages == "all"
            else _n("the head and the last stage", "the head and the last {n} stages", stages).format(n=stages)
        )  # fmt: skip
        rate = f"{phase.lr:g}"
        if phase.backbone_factor != 1.0 and phase.trains == "plan":
            rate += _(", backbone {rate}").format(rate=f"{phase.lr * phase.backbone_factor:g}")
        text = _n("{epochs} epoch, {what}, rate {rate}", "{epochs} epochs, {what}, rate {rate}", phase.epochs).format(
            epochs=phase.epochs, what=what, rate=rate
        )
        rows.append(
            f"<li><b>{number}</b><span><strong>{escape(names.phase(phase.name))}</strong> {escape(text)}</span></li>"
        )
    st.html(f'<ol class="bl-phases">{"".join(rows)}</ol>')


def _summary_figures(experiment: Experiment, recipe: Recipe, counts: dict[str, int]) -> None:
    from core.models.freeze import counts as parameter_counts

    dataset = caches.divided(experiment.data)
    anatomy = caches.anatomy(experiment.model, len(dataset.classes))
    found = parameter_counts(anatomy, recipe.freeze)
    steps = -(-counts["train"] // experiment.training.batch_size)
    components.metrics(
        [
            Figure(_("Learn"), figures.count(found.trainable), _("of {n}").format(n=figures.count(found.total)),
                   _("{n} parameters").format(n=figures.exact(found.trainable))),
            Figure(_("Epochs"), figures.exact(experiment.training.epochs)),
            Figure(_("Steps an epoch"), figures.exact(steps)),
        ],
        compact=True,
    )  # fmt: skip
    components.bar(
        [(_("Learns"), found.trainable, "accent"), (_("Frozen"), found.frozen, "frozen")],
        label=_("Share of the parameters that learn"),
    )


def _weights_note(experiment: Experiment) -> None:
    from core.models.catalog import weights_state

    if experiment.model.weights == "default" and weights_state(experiment.model.backbone) == "needs download":
        broken(
            _("Weights to be downloaded"),
            _("This backbone's pretrained weights are not on this machine. The run fetches them or fails."),
            icon="cloud_download", tone="warn",
        )  # fmt: skip
        nav.link("backbone", _("Choose another backbone"))


def _experiment(choice: TrainChoice, recipe: Recipe) -> Experiment:
    return Experiment(
        data=caches.anchored(state.data()),
        model=replace(state.model(), weights=recipe.weights),
        training=TrainingSpec(
            choice.preset, recipe.phases, batch_size=choice.batch_size, seed=choice.seed, device=choice.device
        ),
        freeze=recipe.freeze,
        augment=choice.augment,
        name=choice.name or _default_name(choice),
    )


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
