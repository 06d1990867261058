"""Many heatmaps side by side: methods, classes, layers, pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from core.data.encoding import compact
from core.errors import InputError
from core.messages import Progress
from pages.heatmaps import controls, single_map
from pages.heatmaps.controls import Choice, Look
from pages.ui.kit import components, form_fields, page_states
from pages.ui.kit.tiles import Tile, grid
from pages.ui.selection import image_picker, subjects
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import _

MAP_PX = 200
MOST_LAYERS = 12
COUNTS = (6, 12, 24, 48)
SHELF, KEPT = "heat-rows", 24
_SLOW = "bl-heat-slow"


def methods(subject: Subject, choice: Choice, look: Look) -> None:
    """Draws a whole row of methods on one picture; the quick ones at once, the slow ones when asked for."""
    from core.interpret.attribution.explain import FAMILIES, METHODS

    components.section(
        _("Every method on this picture"),
        _("They answer the same question in different ways. Where they agree, more can be believed."),
    )
    usable = [name for name, reason in controls.reasons(subject).items() if reason is None]
    usable.sort(key=lambda name: list(FAMILIES).index(METHODS[name].family))  # stable: within a family as in the table
    quick = [name for name in usable if METHODS[name].passes <= single_map.QUICK]
    slow = [name for name in usable if name not in quick]
    wanted = st.toggle(
        _("Slow ones too"),
        key=_SLOW,
        persist_state="session",
        help=_("Methods that ask the network dozens of times: {names}.").format(
            names=", ".join(METHODS[name].title for name in slow)
        ),
    )
    doing, place = st.container(), st.empty()
    tiles: dict[str, Tile] = {}

    def show(name: str, explanation: Any) -> None:
        tiles[name] = _tile(subject, explanation, look, METHODS[name].title, _(FAMILIES[METHODS[name].family]))

    def draw() -> None:
        with place.container():
            grid([tiles[name] for name in usable if name in tiles], size=MAP_PX)

    for name, explanation in _quick(subject, choice, quick).items():
        show(name, explanation)
    draw()
    for name in slow if wanted else ():
        fresh = not caches.known(single_map.SHELF, _key(subject, choice, name), entries=single_map.KEPT)
        with doing:
            show(name, _slow(subject, choice, name))
        if fresh:
            draw()  # each as soon as it is there
    if wanted:
        draw()
    _legend(look)


def _key(subject: Subject, choice: Choice, name: str) -> tuple[Any, ...]:
    """Returns what the map by another method with its usual settings is kept under."""
    return (*subject.key, *replace(choice, method=name, settings=()).key)


def _given(choice: Choice) -> dict[str, Any]:
    return {"target": choice.target, "against": choice.against, "layer": choice.layer}


def _quick(subject: Subject, choice: Choice, names: Sequence[str]) -> dict[str, Any]:
    """Returns explanations by quick methods; those that can share one pass do, each is kept by itself."""
    from core.interpret.attribution.explain import METHODS, explain, explain_many

    def known(name: str) -> bool:
        return caches.known(single_map.SHELF, _key(subject, choice, name), entries=single_map.KEPT)

    missing = [name for name in names if not known(name)]
    shared = [name for name in missing if METHODS[name].formula]
    with st.spinner(_("Drawing the maps …"), show_time=True) if missing else nullcontext():
        made = explain_many(subject.network, subject.input(), shared, **_given(choice)) if shared else {}

        def make(name: str) -> Any:
            return made[name] if name in made else explain(subject.network, subject.input(), name, **_given(choice))

        return {
            name: caches.remember(
                single_map.SHELF, _key(subject, choice, name), partial(make, name), entries=single_map.KEPT
            )
            for name in names
        }


def _slow(subject: Subject, choice: Choice, name: str) -> Any:
    """Returns the explanation by a slow method; giving it up turns all slow ones off."""
    from core.interpret.attribution.explain import METHODS, explain

    def make(tell: Progress) -> Any:
        return explain(subject.network, subject.input(), name, progress=tell, **_given(choice))

    def cancel() -> None:
        st.session_state[_SLOW] = False

    return single_map.made_slowly(
        METHODS[name].title, single_map.SHELF, _key(subject, choice, name), make, entries=single_map.KEPT, cancel=cancel
    )


def classes(subject: Subject, choice: Choice, look: Look) -> None:
    """Draws the same method for the likeliest classes: predicted against true first, where they differ."""
    components.section(
        _("What speaks for each class"),
        _("One map a class, the likeliest first; then what speaks for the one rather than for the other."),
    )
    names, said = subject.network.classes, subject.probabilities()
    order = [int(index) for index in said.argsort()[::-1][:6]]
    truth = names.index(subject.image.truth) if subject.image.truth in names else None
    asked = [choice.target, *([choice.against] if choice.against is not None else [])]
    wanted = list(dict.fromkeys([order[0], *([truth] if truth is not None else []), *asked, *order]))[:7]
    other = choice.against if choice.against is not None else next((i for i in wanted if i != choice.target), None)
    found = _each_class(subject, choice, wanted, other)
    if found is None:
        return
    tiles = []
    for explanation in found:
        heat = explanation.heatmap
        share = number_format.percent(float(said[heat.target]))
        notes = {order[0]: _("predicted, {share}"), truth: _("its class, {share}")}
        if truth == order[0]:
            notes = {truth: _("predicted and true, {share}")}
        note = notes.get(heat.target, "{share}").format(share=share) if heat.against is None else _("difference")
        tiles.append(_tile(subject, explanation, look, single_map.named(names, heat), note))
    grid(tiles, size=MAP_PX)
    if not choice.row.follows_class:
        subjects.callout(_("This map is the same for every class: the method asks for none."))
    single_map.scale(choice.row, look)


def _each_class(subject: Subject, choice: Choice, wanted: Sequence[int], other: int | None) -> Any:
    """Returns an explanation a class, and one of the chosen class against another; ``None`` if it waits for a click."""
    from core.interpret.attribution.explain import explain_classes

    key = (*subject.key, *choice.key, "classes", tuple(wanted), other)

    def make(tell: Progress) -> Any:
        def ask(targets: Sequence[int], against: int | None = None) -> Any:
            of = (subject.network, subject.input(), choice.method, targets)
            return explain_classes(*of, against=against, **choice.ways, progress=tell)

        return ask(wanted) + (ask([choice.target], other) if other is not None else [])

    return _made(subject, choice, key, make, len(wanted) + 1)


def _made(subject: Subject, choice: Choice, key: tuple[Any, ...], make: Callable[[Progress], Any], times: int) -> Any:
    """Returns what is kept of a row of maps, made now where it is not; ``None`` where it waits for a click."""
    if not caches.known(SHELF, key, entries=KEPT) and not single_map.agreed(subject, choice, key, times):
        return None
    return single_map.made_slowly(choice.row.title, SHELF, key, make, entries=KEPT)


def layers(subject: Subject, choice: Choice, look: Look) -> None:
    """Draws the same method on one layer after another, from detail to meaning."""
    from core.interpret.attribution.explain import explain_layers
    from core.interpret.layout import some_of

    components.section(
        _("From layer to layer"),
        _("Early layers see detail that belongs to any class; late ones see coarsely, but what the class is about."),
    )
    if not choice.row.needs_layer:
        subjects.callout(
            _("{method} looks at the picture itself, not at a layer. Choose a class activation map.").format(
                method=choice.row.title
            )
        )
        return
    names = some_of(controls.layer_names(subject.network.anatomy), MOST_LAYERS)
    key = (*subject.key, *choice.key, "layers", tuple(names))

    def make(tell: Progress) -> Any:
        return explain_layers(
            subject.network,
            subject.input(),
            choice.method,
            names,
            target=choice.target,
            against=choice.against,
            settings=dict(choice.settings),
            progress=tell,
        )

    found = _made(subject, choice, key, make, len(names))
    if found is None:
        return
    known = subject.network.anatomy.layers_by_name
    tiles = [
        _tile(subject, explanation, look, name, " × ".join(map(str, known[name].output_shape)))
        for name, explanation in found.items()
    ]
    grid(tiles, size=MAP_PX)
    single_map.scale(choice.row, look)


def pictures(subject: Subject, choice: Choice, look: Look) -> None:
    """Draws one method over many pictures: some that the run held out, or the samples."""
    from core.interpret.attribution.explain import explain_each

    run = subject.target.run
    components.section(
        _("One method, many pictures"),
        _("Each for the class that the network says. Look for what the maps have in common, and where they go astray."),
    )
    count = COUNTS[1]
    if run is not None:
        count = form_fields.choice(_("How many"), COUNTS, "bl-heat-count", default=count)
    shown = _shown(subject, count)
    if not shown:
        page_states.empty(
            _("No pictures"), _("None of this run's pictures is there any more. Choose another run."), icon="imagesmode"
        )
        return
    key = (*subject.target.key, choice.method, choice.layer, choice.settings, tuple(name for name, _t, _p in shown))

    def make(tell: Progress) -> Any:
        inputs = [_input(subject, picture) for _n, _t, picture in shown]
        return explain_each(subject.network, inputs, choice.method, **choice.ways, progress=tell)

    found = _made(subject, choice, key, make, len(shown))
    if found is None:
        return
    names = subject.network.classes
    tiles = []
    for (name, truth, picture), explanation in zip(shown, found, strict=True):
        predicted = names[explanation.predicted]
        share = number_format.percent(float(explanation.probabilities[explanation.predicted]))
        judged = truth is not None and run is not None
        note = "" if not judged else _("right") if truth == predicted else _("it is {label}").format(label=truth)
        tone = "" if not judged else "good" if truth == predicted else "bad"
        drawn = single_map.over(picture, explanation.heatmap, look)
        alt = _("{key}: heat for {name}").format(key=name, name=predicted)
        tiles.append(Tile(drawn, f"{predicted} {share}", note, alt, tone))
    grid(tiles, size=150)
    single_map.scale(choice.row, look)


def _shown(subject: Subject, count: int) -> list[tuple[str, str | None, Any]]:
    """Returns name, class and picture (as the network sees it) of some pictures."""
    from core.data.images import fit, open_image

    run, prep = subject.target.run, subject.network.preprocessing
    if run is None:
        found = [(name, None, image_picker.sample_bytes(name)) for name in image_picker.SAMPLES]
        return [(name, truth, fit(open_image(data, name=name), prep)) for name, truth, data in found]
    options = dict(list(image_picker.held_out(run, per_class=count).items())[:count])

    def load() -> list[tuple[str, str | None, Any]]:
        dataset = image_picker.reopened(run)
        places = {item.key: place for place, item in enumerate(dataset.items)}
        rows: list[tuple[str, str | None, Any]] = []
        for key, label in options.items():
            try:
                rows.append((key, label, fit(dataset.load(places[key]), prep)))
            except (InputError, KeyError):  # gone or damaged meanwhile: the others are still worth seeing
                continue
        return rows

    found_ = caches.remember("heat-pictures", (run.id, count, prep), load, entries=4)
    return list(found_)


def _input(subject: Subject, picture: Any) -> Any:
    from core.data.images import to_tensor

    return to_tensor(picture, subject.network.preprocessing, fitted=True)


def _tile(subject: Subject, explanation: Any, look: Look, caption: str, note: str) -> Tile:
    heat = explanation.heatmap
    drawn = compact(single_map.over(subject.picture, heat, look), 2 * MAP_PX)
    name = single_map.named(subject.network.classes, heat)
    alt = _("{caption}: heat for {name}").format(caption=caption, name=name)
    return Tile(drawn, caption, _("nothing speaks for it") if heat.empty else note, alt)


def _legend(look: Look) -> None:
    """Draws the scales of maps without and with a sign."""
    subjects.scale_bar(look.colormap, _("nothing"), _("most"))
    subjects.scale_bar("blue-red", _("against"), _("for"))
