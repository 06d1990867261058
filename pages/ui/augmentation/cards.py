"""One card an operation: which are on, what each does to a picture, how often, how strongly, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.specs import AUGMENT_PRESETS, FILLS, AugmentSpec, titles
from pages.ui.augmentation import draws, presets, settings
from pages.ui.augmentation.draws import Picture
from pages.ui.augmentation.settings import Plan, Setting
from pages.ui.kit import components
from pages.ui.kit.page_states import broken
from pages.ui.kit.tiles import Tile, grid
from pages.ui.session import choices
from pages.ui.session.address import Bound
from pages.ui.text import augmentation_words as words
from pages.ui.text import number_format
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.data.dataset import Dataset

SHOWN = Bound("operation", kept="bl.augment.card")
"""The card that is open."""
SEED = Bound("drawn", kept="bl.augment.drawn")
"""A seed of the draws other than the training's."""
DRAWS, STRIP = 24, 7
_KEY = "bl-aug"
_OPENED = "bl.augment.opened"
_TILE, _STRIP_TILE, _SHARP = 92, 104, 64
_STEPS = {"degrees": 0.5, "share": 0.01, "factor": 0.05, "pixels": 0.05, "bits": 1.0, "level": 1.0, "strength": 0.1}
_FORMATS = {"degrees": "%g°", "share": "%.2f", "factor": "× %.2f", "pixels": "%.2f px"}
_WHOLE = 5.0
"""Step in pixels where they go into the hundreds."""


def plan() -> Plan:
    """Returns what is chosen."""
    choice = choices.train_choice()
    return Plan(choice.augment, choice.mix)


def take(wanted: Plan, **opened: str) -> None:
    """Chooses, for this page and for Train alike; ``operation`` opens a card as well."""
    choice = choices.train_choice()
    choices.set_train_choice(replace(choice, augment=wanted.augment, mix=wanted.mix))
    presets.read_again(wanted.augment)
    st.session_state[_OPENED] = opened


def draw(dataset: Dataset) -> None:
    """Draws the presets, the switches, the open card, the warnings and 24 draws of all together."""
    # here and not in the fields' callbacks: what those write into the address, a fragment's run does not send
    choices.show_setup_in_address(**st.session_state.pop(_OPENED, {}))
    now = plan()
    _presets(now)
    with st.container(key="bl-wrapsmall-augment"):
        switches, card = st.columns([1, 1.25], gap="large")
    with switches:
        _switches(now)
    try:
        shown = draws.picture(dataset)
    except InputError:  # the Backbone page says what is wrong with the network
        shown = None
    with card, st.container(border=True, key="bl-aug-frame"):
        _card(dataset, now, _open(now), shown)
    warn(dataset, now.augment)
    if shown is None:
        components.note(_("None of the first training images can be read, so no draws are shown."))
        return
    _draws(now.augment, shown)


def warn(dataset: Dataset, spec: AugmentSpec) -> None:
    """Warns where the augmentation contradicts the images."""
    if not spec.active:
        return
    from core.workflows.advisor.augmentation_risks import risks

    said = []
    for sentence in risks(spec, draws.facts(dataset)):
        values = {key: _(value) if isinstance(value, str) else value for key, value in sentence.values.items()}
        said.append(_(sentence.template).format(**values))
    if said:
        broken(_("This contradicts the images"), " ".join(said), icon="flip", tone="warn")


# --- presets and switches ---------------------------------------------------------------------------------------------


def _presets(now: Plan) -> None:
    name = now.augment.preset_name or "own"
    key = f"{_KEY}-preset-{name}"  # one of its own for each, so that none has a former choice
    st.session_state[key] = name

    def picked() -> None:
        wanted = st.session_state[key]
        if wanted != name and wanted in AUGMENT_PRESETS:
            take(replace(now, augment=AugmentSpec.preset(wanted)))

    st.segmented_control(
        _("Preset"),
        list(titles.AUGMENTATIONS),
        key=key,
        format_func=lambda one: _(titles.AUGMENTATIONS[one]),
        on_change=picked,
        required=True,
        wrap=True,
    )
    origin = components.help_sign(_(words.ORIGINS[name]), words.title(now.augment))
    st.html(f'<p class="bl-note">{escape(words.sentence(now.augment))}{origin}</p>')


def _switches(now: Plan) -> None:
    """Draws which operations are on, by what they change; a click turns one on or off and opens its card."""
    for group, names in settings.GROUPS.items():
        key = f"{_KEY}-on-{group}"
        on = [name for name in names if settings.setting(now, name).on]
        st.session_state[key] = on
        st.pills(
            _(words.GROUPS[group]),
            names,
            selection_mode="multi",
            key=key,
            format_func=lambda name: _(titles.OPERATIONS[name]),
            on_change=partial(_switched, now, key, on),
            wrap=True,
        )
    count = len(now.augment.operations)
    if count > 1:
        _set(
            st.selectbox,
            _("Done to an image"),
            f"{_KEY}-pick",
            now.augment.pick,
            lambda pick: take(replace(now, augment=replace(now.augment, pick=int(pick)))),
            options=range(count),
            format_func=lambda n: _("{n} of these, by lot").format(n=n) if n else _("all that are on"),
        )


def _switched(now: Plan, key: str, on: list[str]) -> None:
    picked = st.session_state[key] or []
    opened = {}
    turned = set(picked) ^ set(on)
    if not turned:
        return
    for name in turned:
        now = settings.changed(now, name, replace(settings.setting(now, name), on=name in picked))
        opened = {SHOWN.param: name}
    take(now, **opened)


def _open(now: Plan) -> str:
    """Returns the card that is open: the chosen one, else the first that is on."""
    first = next((name for name in settings.CARDS if settings.setting(now, name).on), settings.CARDS[0])
    return str(SHOWN.among(settings.CARDS, first))


# --- the card ---------------------------------------------------------------------------------------------------------


def _card(dataset: Dataset, now: Plan, name: str, shown: Picture | None) -> None:
    wanted = settings.setting(now, name)
    key = f"{_KEY}-operation"
    st.session_state[key] = name
    head, switch = st.columns([2.2, 1], vertical_alignment="bottom")
    head.selectbox(
        _("Operation"),
        settings.CARDS,
        key=key,
        format_func=lambda one: _(titles.OPERATIONS[one]),
        on_change=lambda: SHOWN.choose(str(st.session_state[key])),
    )
    _set(switch.toggle, _("On"), f"{_KEY}-{name}-on", wanted.on, lambda on: _take(now, name, wanted, on=bool(on)))
    source = components.help_sign(words.PAPERS.get(name, ""), _(titles.OPERATIONS[name]))
    st.html(f'<p class="bl-note">{escape(_(words.ABOUT[name]))}{source}</p>')
    if name in words.MISLEADING:
        components.note(_(words.MISLEADING[name]))
    _strengths(now, name, wanted)
    if shown is not None and name not in ("mixup", "cutmix"):
        _strip(dataset, now, name, shown)
    elif name in ("mixup", "cutmix"):
        components.note(_("Images are mixed as a batch: see the batch below."))


def _strengths(now: Plan, name: str, wanted: Setting) -> None:
    known = settings.range_of(name)
    fields = st.columns(2, gap="medium")
    if settings.has_probability(name):
        with fields[0]:
            _set(
                st.slider,
                _("Probability"),
                f"{_KEY}-{name}-p",
                round(wanted.probability, 2),
                lambda value: _take(now, name, wanted, probability=float(value)),
                min_value=0.0,
                max_value=1.0,
                step=0.05,
            )
    if known.unit:
        with fields[1 if settings.has_probability(name) else 0]:
            _range(now, name, wanted)
    if name in settings.MOVING:
        with fields[1 if not known.unit else 0]:
            _set(
                st.selectbox,
                _("Beyond the edge"),
                f"{_KEY}-fill",
                now.augment.fill,
                lambda fill: take(replace(now, augment=settings.settled(replace(now.augment, fill=fill)))),
                options=FILLS,
                format_func=lambda fill: _(words.FILLS[fill]),
                help=_("Holds for rotation, shift, shear and zoom together."),
            )


def _range(now: Plan, name: str, wanted: Setting) -> None:
    """Draws the strength, as one number where the other end is fixed, else as a range."""
    known, end = settings.range_of(name), settings.fixed(name)
    step = _WHOLE if known.most >= 500 else _STEPS.get(known.unit, 0.05)
    form = _FORMATS.get(known.unit, "%g")
    label = {
        "crop": _("Least share of the area"),
        "colour": _("Up to"),
        "mixup": _("Strength"),
        "cutmix": _("Strength"),
    }
    bounds = {"min_value": known.least, "max_value": known.most, "step": step, "format": form}
    key = f"{_KEY}-{name}-range"
    if end:
        value = wanted.low if end == "high" else wanted.high
        field = "low" if end == "high" else "high"
        _set(st.slider, label[name], key, value, lambda new: _take(now, name, wanted, **{field: float(new)}), **bounds)
        return
    either = name in ("rotation", "shear", "hue", "shift")
    _set(
        st.slider,
        _("Range, either way") if either else _("Range"),
        key,
        (wanted.low, wanted.high),
        lambda new: _take(now, name, wanted, low=float(new[0]), high=float(new[1])),
        **bounds,
    )


def _take(now: Plan, name: str, wanted: Setting, **values: float | bool) -> None:
    """Sets one value of a card; a card that is set is on, but by its own switch."""
    take(settings.changed(now, name, replace(wanted, **({"on": True} | values))))  # type: ignore[arg-type]


def _set(
    widget: Callable[..., object], label: str, key: str, value: object, then: Callable[..., None], **options: object
) -> None:
    """Draws a field that shows ``value``, and calls ``then`` with what a person makes of it.

    A click that comes while the page is being drawn ends that. The fields that are not drawn any more by then report
    what they had as if somebody had chosen it: that is no change.
    """
    st.session_state[key] = value

    def changed() -> None:
        if st.session_state[key] != value:
            then(st.session_state[key])

    widget(label, key=key, on_change=changed, **options)


def _strip(dataset: Dataset, now: Plan, name: str, shown: Picture) -> None:
    """Draws the operation alone: the picture as it is, draws of it, and what it costs."""
    spec = settings.alone(now, name)
    side = 2 * _STRIP_TILE
    drawn = draws.draws(shown, spec, choices.train_choice().seed, range(STRIP), side)
    tiles = [Tile(draws.as_it_is(shown, side), _("As it is"))]
    tiles += [Tile(one, alt=_("Draw {n}").format(n=number)) for number, one in enumerate(drawn, start=1)]
    grid(tiles, size=_STRIP_TILE, pixelated=shown.prep.crop <= _SHARP)
    cost = draws.cost(dataset, spec, name)
    if cost is not None:
        components.note(
            _("Alone, on every image; about {ms} ms an image on this machine.").format(ms=number_format.number(cost, 2))
        )


# --- all together -----------------------------------------------------------------------------------------------------


def _draws(spec: AugmentSpec, shown: Picture) -> None:
    components.section(_("One image, {n} draws").format(n=DRAWS))
    own = choices.train_choice().seed
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-aug-seed-row"):
        bound = SEED.entry(f"{_KEY}-seed", own, int)
        seed = st.number_input(_("Seed"), 0, 2**31 - 1, width=150, **bound)
        st.button(
            _("Other draws"),
            key=f"{_KEY}-again",
            icon=":material/casino:",
            on_click=lambda: SEED.choose(str((int(seed) + 1) % 2**31)),
        )
    if not spec.active:
        components.note(_("No augmentation: a training image is the same each time it is seen."))
        return
    side = 2 * _TILE
    drawn = draws.draws(shown, spec, int(seed), range(DRAWS), side)
    tiles = [
        Tile(one, alt=_("The image {name} in epoch {n}").format(name=shown.name, n=number))
        for number, one in enumerate(drawn, start=1)
    ]
    grid(tiles, size=_TILE, pixelated=shown.prep.crop <= _SHARP)
    said = (
        _("What a training with seed {seed} sees of this image in its first {n} epochs, pixel by pixel.")
        if seed == own
        else _("Draws with seed {seed}, in {n} epochs; the training's own seed is {own}.")
    )
    components.note(said.format(seed=seed, n=DRAWS, own=own))
