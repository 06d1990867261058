"""Home: what the lab does, the walk and the film, the path in six steps, the other walks, and the recent runs."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import compact
from core.errors import InputError, RunMissing
from core.runs.status import LIVE, RunStatus
from core.runs.store import RunStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from pages.ui.kit import clicks, components, nav, tiles
from pages.ui.kit.page_states import busy, empty, guarded
from pages.ui.kit.style import asset
from pages.ui.kit.tiles import Tile
from pages.ui.runs import run_panel
from pages.ui.session import address, caches, choices, run_list
from pages.ui.text import display_names, number_format
from pages.ui.text.i18n import N_, _, translate_error
from pages.ui.walks import bar as walk_bar
from pages.ui.walks.table import FIRST_WALK, WALKS

if TYPE_CHECKING:
    from core.runs.store import Run
    from pages.ui.selection.network_picker import Target

STEPS = (
    ("data", N_("Choose images, one folder a class. Some sets are built in.")),
    ("backbone", N_("Pick the network to start from.")),
    ("anatomy", N_("See what is in it, and click what may learn.")),
    ("train", N_("Start it in a process of its own and watch it learn.")),
    ("evaluate", N_("See how good it is, and what it takes for what.")),
    ("heatmaps", N_("See where it looked, and what each layer finds in the image.")),
)
RECENT = 5


RESULT = address.Bound("run", kept="bl.home.run")
"""The run whose result Home shows: kept, so that leaving and coming back finds it."""


def render() -> None:
    """Draws the page."""
    run = _result_run()
    with st.container(key="bl-home-first", gap="small"):  # what follows keeps its place when this changes
        if run is None:
            _hero()
        else:
            _result(run)
    with st.container(key="bl-home-path", gap="small"):
        _path()
    with st.container(key="bl-home-walks", gap="small"):
        _walks()
    with st.container(key="bl-home-recent", gap="small"):
        _recent()
    nav.link("about", _("The notes this grew out of, and what the terms mean"))


def _result_run() -> Run | None:
    """Returns the run to show: the address's, else the one shown last, as long as it is there."""
    linked, chosen = address.read("run"), RESULT.asked()
    if chosen is None:
        return None
    try:
        run = RunStore().get(chosen)
    except RunMissing:
        RESULT.choose(None)
        if linked:
            raise
        return None
    RESULT.choose(run.id)
    return run


def _hero() -> None:
    with st.container(key="bl-hero"), st.container(key="bl-wrap-hero"):
        text, picture = st.columns([1.05, 1], gap="large", vertical_alignment="center")
        with text:
            about = _(
                "A network that has seen a million photos learns your classes in seconds. Watch which parts learn, how "
                "well, and where it looks."
            )
            title = _("See transfer learning happen")
            st.html(f'<header class="bl-hero"><h1>{escape(title)}</h1><p>{escape(about)}</p></header>')
            with st.container(horizontal=True, vertical_alignment="center", key="bl-ways-in"):
                walk = clicks.button(_("Take the walk"), type="primary", icon=":material/hiking:", key="bl-walk")
                watch = clicks.button(
                    _("Watch it instead"), icon=":material/play_arrow:", type="tertiary", key="bl-tour"
                )
            components.note(
                _("Six stops, a click each: images, network, freezing, training, a mistake, a heatmap. Offline.")
            )
        with picture:
            st.html(_illustration())
    if walk:
        walk_bar.begin(FIRST_WALK)
    if watch:
        _start()


def _start() -> None:
    """Starts the whole main job on the built-in shapes, and stays here to follow it."""
    from core.runs.launch import start

    recipe = make_recipe("linear-probe")
    data = DataSpec("shapes", val_share=0.2, test_share=0.2)
    model = ModelSpec("efficientnet_lite0", weights=recipe.weights)
    run = start(
        Experiment(
            data=data,
            model=model,
            training=TrainingSpec("linear-probe", recipe.phases),
            freeze=recipe.freeze,
            name=_("First walk: shapes"),
        )
    )
    choices.set_data(data, _("Shapes"))
    choices.set_model(model)
    choices.set_freeze(recipe.freeze)
    choices.choose_run(run.id)
    RESULT.choose(run.id)
    st.rerun()


def _result(run: Run) -> None:
    """Follows a run, and shows its result once it has ended."""
    status = run.status()
    choices.choose_run(run.id)
    alive = status.state in LIVE
    if clicks.button(_("Back to the beginning"), icon=":material/arrow_back:", type="tertiary", key="bl-home-back"):
        RESULT.choose(None)
        st.rerun()
    title = _("Learning, as it happens") if alive else _("What it learned")
    st.html(f'<header class="bl-header"><h1>{escape(title)}</h1><p>{escape(_sentence(run))}</p></header>')
    if alive:
        run_panel.monitor(run, key="bl-home-live")
        return
    if status.state != "finished":
        run_panel.ended(run, status)
    if not run.has_weights:
        return
    if badge := components.leaky(status.leaks):
        st.html(f"<p>{badge}</p>")
    components.metrics(run_panel.result_figures(run, status))
    with st.container(key="bl-wrap-walk"):
        looks, curve = st.columns([1.25, 1], gap="large")
    with looks:
        components.section(_("Where it looks"), _("The warmer, the more evidence for the predicted class."))
        _heatmaps(run)
    with curve:
        components.section(_("How it learned"))
        _curve(run, status)
    components.next_step("evaluate", _("Judge it: how good, and where not?"), run=run.id)


def _sentence(run: Run) -> str:
    spec = run.experiment
    return (
        _("{backbone} learns {data}: the backbone stays as it is, a new head learns.").format(
            backbone=display_names.backbone(spec.model.backbone), data=display_names.data(spec.data.source)
        )
        if spec.freeze.trainable_stages == 0
        else _("{backbone} learns {data}.").format(
            backbone=display_names.backbone(spec.model.backbone), data=display_names.data(spec.data.source)
        )
    )


def _curve(run: Run, status: RunStatus) -> None:
    from pages.ui.runs import learning_curves

    learning_curves.draw(run, status, "accuracy", key="bl-home-curve", height=300)


@guarded
def _heatmaps(run: Run, count: int = 6) -> None:
    """Draws some test images of the run with their heatmaps."""
    from pages.ui.selection import image_picker, network_picker

    target = network_picker.target_of(run)
    key = (*target.key, count)
    if not caches.known("walk", key):
        with busy(_("Drawing the heatmaps …"), 320):
            shown = caches.remember("walk", key, lambda: _overlays(target, count))
    else:
        shown = caches.remember("walk", key, lambda: _overlays(target, count))
    tiles.grid(shown, size=150)
    first = next(iter(image_picker.held_out(run)), None)
    if first and choices.image() is None:
        choices.set_image(image_picker.dataset_image(run, first))


def _overlays(target: Target, count: int) -> list[Tile]:
    from core.data.images import fit, open_image, to_tensor
    from core.interpret.attribution.explain import explain
    from core.interpret.drawing.overlay import overlay
    from pages.ui.selection import image_picker

    network = target.network()
    shown = []
    for name in list(image_picker.held_out(target.trained))[:count]:
        image = image_picker.dataset_image(target.trained, name)
        opened = open_image(image.data)
        explanation = explain(network, to_tensor(opened, network.preprocessing))
        picture = overlay(fit(opened, network.preprocessing), explanation.heatmap.values, opacity=0.55)
        predicted = network.classes[explanation.predicted]
        right = predicted == image.truth
        shown.append(
            Tile(
                compact(picture, 320),
                f"{predicted} {number_format.percent(float(explanation.probabilities.max()), 0)}",
                _("right") if right else _("wrong: it is {name}").format(name=image.truth),
                _("Test image with heatmap for the class {name}").format(name=predicted),
                "" if right else "bad",
            )
        )
    return shown


def _path() -> None:
    components.section(_("The path"))
    with st.container(key="bl-steps"):
        for number, (name, text) in enumerate(STEPS, start=1):
            with st.container(key=f"bl-step-{number}", gap="xxsmall", border=True):
                title = _("Look inside") if name == "heatmaps" else None
                nav.link(name, title)
                st.html(f'<p class="bl-step-text">{escape(_(text))}</p>')


def _walks() -> None:
    components.section(_("One thing at a time"), _("Walks of a few minutes: guess first, press once, look."))
    with st.container(key="bl-walks"):
        for name, walk in WALKS.items():
            if name == FIRST_WALK:
                continue
            with st.container(key=f"bl-walk-card-{name}", gap="xxsmall", border=True):
                nav.link(walk.stops[0].page, _(walk.title), icon=f":material/{walk.icon}:", walk=name)
                st.html(f'<p class="bl-step-text">{escape(_(walk.about))}</p>')
        with st.container(key="bl-walk-card-class", gap="xxsmall", border=True):
            with st.popover(_("For a class"), icon=":material/share:", key="bl-walk-links", type="tertiary"):
                components.note(_("Each opens a walk with its images, network and recipe, on any number of laptops."))
                for name, walk in WALKS.items():
                    st.code(f"{_address()}/{walk.stops[0].page}?walk={name}", language=None, wrap_lines=True)
            text = _("Links to send: a walk each, for every laptop.")
            st.html(f'<p class="bl-step-text">{escape(text)}</p>')


def _address() -> str:
    """Returns the server's address as this person's browser knows it, without a slash at the end."""
    return (st.context.url or "").rstrip("/")


def _recent() -> None:
    runs = run_list.listed()[:RECENT]
    components.section(_("Recent runs"))
    if not runs:
        empty(
            _("No runs yet"),
            _("Every training shows up here with its curve. Take the walk, or choose your own images."),
            icon="history",
        )
        return
    with st.container(key="bl-recent", gap=None):
        names = run_list.labels(runs)
        for run in runs:
            _row(run, names[run.id])
    nav.link("runs", _("All runs"), icon=":material/arrow_forward:")


def _row(run: Run, name: str) -> None:
    try:
        status, spec = run.status(), run.experiment
    except InputError as error:
        components.note(translate_error(error))
        return
    curve, best = components.sparkline(caches.course(run)), _("best validation accuracy")
    accuracy = number_format.percent(status.best_val_accuracy)
    when = number_format.ago(status.started or status.launched)
    target = "train" if status.state in LIVE or not run.has_weights else "evaluate"
    with st.container(horizontal=True, vertical_alignment="center", key=f"bl-run-{run.id}"):
        with st.container(width="stretch"):
            nav.link(target, components.plain(name), icon=":material/science:", run=run.id)
        st.html(
            f'<div class="bl-run"><i><bdi>{escape(display_names.backbone(spec.model.backbone))}</bdi></i>{curve}'
            f'<b aria-label="{escape(best)}: {accuracy}"><bdi>{accuracy}</bdi></b>'
            f"<span>{components.badge(status.state)}{components.leaky(status.leaks)}</span><i>{escape(when)}</i></div>",
            width="content",
        )
    if status.faults:
        components.note(run_panel.reasons(status))


def _illustration() -> str:
    """Returns the drawing beside the title: an image, the stages of a network, the heatmap."""
    alt = escape(_("An image goes through frozen stages and a part that learns, and becomes a heatmap."))
    labels = (("", _("your image")), ("", _("frozen")), ("bl-accent", _("learns")), ("", _("what it saw")))
    below = "".join(f'<span class="{tone}">{escape(text)}</span>' for tone, text in labels)
    address = components.svg_address(asset("path.svg"))
    return f'<div class="bl-art"><img src="{address}" alt="{alt}"><div class="bl-art-text">{below}</div></div>'
