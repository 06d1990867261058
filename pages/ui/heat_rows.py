"""Many heatmaps side by side: methods, classes, layers, pictures, runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from core.errors import InputError
from pages.ui import caches, components, faces, figures, heat_choice, heat_map, inside, pickers
from pages.ui.heat_choice import Choice, Look
from pages.ui.i18n import _, translate_error
from pages.ui.inside import Subject
from pages.ui.tiles import Tile, grid

SIDE = 200
MOST_LAYERS, MOST_RUNS = 12, 4
COUNTS = (6, 12, 24, 48)
VIEW = "bl-heat-view"
QUICK = 2
"""Passes up to which a method is drawn unasked."""


def methods(subject: Subject, choice: Choice, look: Look) -> None:
    """Draws a whole row of methods on one picture; the quick ones at once, the slow ones when asked for."""
    from core.interpret.attribution import FAMILIES, METHODS

    components.section(
        _("Every method on this picture"),
        _("They answer the same question in different ways. Where they agree, more can be believed."),
    )
    usable = [name for name, reason in heat_choice.reasons(subject).items() if reason is None]
    slow = st.toggle(
        _("Slow ones too"), key="bl-heat-slow", persist_state="session",
        help=_("Methods that ask the network dozens of times: {names}.").format(
            names=", ".join(METHODS[name].title for name in usable if METHODS[name].passes > QUICK)
        ),
    )  # fmt: skip
    names = [name for name in usable if slow or METHODS[name].passes <= QUICK]
    found = _several(subject, choice, names)
    order = list(FAMILIES)
    names.sort(key=lambda name: order.index(METHODS[name].family))  # stable: within a family as in the table
    tiles = [
        _tile(subject, found[name], look, METHODS[name].title, _(FAMILIES[METHODS[name].family])) for name in names
    ]
    grid(tiles, size=SIDE)
    _legend(look)


def _several(subject: Subject, choice: Choice, names: Sequence[str]) -> dict[str, Any]:
    """Returns explanations by many methods; those that can share one pass do, each is kept by itself."""
    from core.interpret.attribution import METHODS, explain, explain_many

    def key(name: str) -> tuple[Any, ...]:
        return (*subject.key, *Choice(name, choice.target, choice.against, choice.layer).key)

    given: dict[str, Any] = {"target": choice.target, "against": choice.against, "layer": choice.layer}
    missing = [name for name in names if not caches.known(heat_map.SHELF, key(name), entries=heat_map.KEPT)]
    shared = [name for name in missing if METHODS[name].formula]
    made: dict[str, Any] = explain_many(subject.network, subject.input(), shared, **given) if shared else {}
    place = st.empty()

    def make(name: str) -> Any:
        if name in made:
            return made[name]
        if METHODS[name].passes <= QUICK:
            return explain(subject.network, subject.input(), name, **given)
        with heat_map.progressing(place, METHODS[name].title, _back, name) as tell:
            return explain(subject.network, subject.input(), name, progress=tell, **given)

    return {
        name: caches.remember(heat_map.SHELF, key(name), partial(make, name), entries=heat_map.KEPT) for name in names
    }


def classes(subject: Subject, choice: Choice, look: Look) -> None:
    """Draws the same method for the likeliest classes: predicted against true first, where they differ."""
    from core.interpret.attribution import explain_classes

    components.section(
        _("What speaks for each class"),
        _("One map a class, the likeliest first; then what speaks for the first rather than for the second."),
    )
    names, said = subject.network.classes, subject.probabilities()
    order = [int(index) for index in said.argsort()[::-1][:6]]
    truth = names.index(subject.image.truth) if subject.image.truth in names else None
    wanted = list(dict.fromkeys([order[0], *([truth] if truth is not None else []), *order, choice.target]))[:7]
    key = (*subject.key, *choice.key, "classes", tuple(wanted))

    def make() -> Any:
        given: dict[str, Any] = {"layer": choice.layer, "settings": dict(choice.settings)}
        with heat_map.progressing(st.empty(), choice.row.title, _back) as tell:
            found = explain_classes(subject.network, subject.input(), choice.method, wanted, progress=tell, **given)
            if len(wanted) > 1:
                found += explain_classes(
                    subject.network, subject.input(), choice.method, wanted[:1], against=wanted[1], **given
                )
        return found

    found = caches.remember("heat-rows", key, make, entries=24)
    tiles = []
    for explanation in found:
        heat = explanation.heatmap
        share = figures.percent(float(said[heat.target]))
        notes = {order[0]: _("predicted, {share}"), truth: _("its class, {share}")}
        if truth == order[0]:
            notes = {truth: _("predicted and true, {share}")}
        note = notes.get(heat.target, "{share}").format(share=share) if heat.against is None else _("difference")
        tiles.append(_tile(subject, explanation, look, heat_map.named(names, heat), note))
    grid(tiles, size=SIDE)
    if not choice.row.follows_class:
        inside.callout(_("This map is the same for every class: the method asks for none."))
    _legend(look, signed=choice.row.signed)


def layers(subject: Subject, choice: Choice, look: Look) -> None:
    """Draws the same method on one layer after another, from detail to meaning."""
    from core.interpret.attribution import explain_layers
    from core.interpret.probe import some_of

    components.section(
        _("From layer to layer"),
        _("Early layers see detail that belongs to any class; late ones see coarsely, but what the class is about."),
    )
    if not choice.row.needs_layer:
        inside.callout(
            _("{method} looks at the picture itself, not at a layer. Choose a class activation map.").format(
                method=choice.row.title
            )
        )
        return
    names = some_of(heat_choice.layer_names(subject.network.anatomy), MOST_LAYERS)
    key = (*subject.key, *choice.key, "layers", tuple(names))

    def make() -> Any:
        with heat_map.progressing(st.empty(), choice.row.title, _back) as tell:
            return explain_layers(
                subject.network, subject.input(), choice.method, names, target=choice.target, against=choice.against,
                settings=dict(choice.settings), progress=tell,
            )  # fmt: skip

    found = caches.remember("heat-rows", key, make, entries=24)
    known = {layer.name: layer for layer in subject.network.anatomy.layers}
    tiles = [
        _tile(subject, explanation, look, name, " × ".join(map(str, known[name].output_shape)))
        for name, explanation in found.items()
    ]
    grid(tiles, size=SIDE)
    _legend(look, signed=choice.row.signed)


def pictures(subject: Subject, choice: Choice, look: Look) -> None:
    """Draws one method over many pictures: some that the run held out, or the samples."""
    from core.interpret.attribution import explain_each

    run = subject.target.run
    components.section(
        _("One method, many pictures"),
        _("Each for the class that the network says. Look for what the maps have in common, and where they go astray."),
    )
    count = COUNTS[1]
    if run is not None:
        count = st.segmented_control(
            _("How many"), COUNTS, default=count, key="bl-heat-count", required=True, persist_state="session"
        ) or count  # fmt: skip
    shown = _shown(subject, count)
    if not shown:
        faces.empty(
            _("No pictures"), _("None of this run's pictures is there any more. Choose another run."), icon="imagesmode"
        )
        return
    plain = Choice(choice.method, choice.target, None, choice.layer, choice.settings)
    key = (*subject.target.key, plain.method, plain.layer, plain.settings, tuple(name for name, _t, _p in shown))

    def make() -> Any:
        inputs = [_input(subject, picture) for _n, _t, picture in shown]
        with heat_map.progressing(st.empty(), choice.row.title, _back) as tell:
            return explain_each(
                subject.network, inputs, plain.method, layer=plain.layer, settings=dict(plain.settings), progress=tell
            )

    found = caches.remember("heat-rows", key, make, entries=24)
    names = subject.network.classes
    tiles = []
    for (name, truth, picture), explanation in zip(shown, found, strict=True):
        predicted = names[explanation.predicted]
        share = figures.percent(float(explanation.probabilities[explanation.predicted]))
        judged = truth is not None and run is not None
        note = "" if not judged else _("right") if truth == predicted else _("it is {label}").format(label=truth)
        tone = "" if not judged else "good" if truth == predicted else "bad"
        drawn = heat_map.over(picture, explanation.heatmap, look)
        alt = _("{key}: heat for {name}").format(key=name, name=predicted)
        tiles.append(Tile(drawn, f"{predicted} {share}", note, alt, tone))
    grid(tiles, size=150)
    _legend(look, signed=choice.row.signed)


def _shown(subject: Subject, count: int) -> list[tuple[str, str | None, Any]]:
    """Returns name, class and picture (as the network sees it) of some pictures."""
    from core.data.images import fit, open_image

    run, prep = subject.target.run, subject.network.preprocessing
    if run is None:
        found = [(name, None, pickers.sample_bytes(name)) for name in pickers.SAMPLES]
        return [(name, truth, fit(open_image(data, name=name), prep)) for name, truth, data in found]
    options = dict(list(pickers.held_out(run, per_class=count).items())[:count])

    def load() -> list[tuple[str, str | None, Any]]:
        dataset = pickers.reopened(run)
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
    from dataclasses import replace

    from core.data.images import to_tensor

    prep = subject.network.preprocessing
    return to_tensor(picture, replace(prep, resize=prep.crop))


def runs(subject: Subject, choice: Choice, look: Look) -> None:
    """Draws the same picture through several runs."""
    components.section(
        _("The same picture through several runs"),
        _("Runs may give the same answer for different reasons. Each is asked about the chosen class, if it knows it."),
    )
    there = {run.id: run for run in pickers.runs_with_weights()}
    if len(there) < 2:
        faces.empty(
            _("Not enough runs"), _("With two runs or more their heatmaps are shown side by side here."),
            icon="difference", action=_("Train another"), target="train",
        )  # fmt: skip
        return
    own = subject.target.run.id if subject.target.run is not None else None
    usual = list(dict.fromkeys([*([own] if own in there else []), *there]))[:3]
    chosen = st.multiselect(
        _("Runs"), list(there), default=usual, key="bl-heat-runs", format_func=lambda id_: there[id_].name,
        max_selections=MOST_RUNS, persist_state="session",
    )  # fmt: skip
    wanted = subject.network.classes[choice.target]
    tiles = []
    for id_ in chosen:
        try:
            tiles.append(_through(subject, there[id_], choice, wanted, look))
        except InputError as error:
            components.note(f"{there[id_].name}: {translate_error(error)}")
    grid(tiles, size=SIDE)
    _legend(look, signed=choice.row.signed)


def _through(subject: Subject, run: Any, choice: Choice, wanted: str, look: Look) -> Tile:
    from core.data.images import fit, open_image, to_tensor
    from core.interpret.attribution import explain

    target = pickers.target_of(run)
    key = (*target.key, subject.image.sha256, choice.method, wanted, choice.settings)

    def make() -> Any:
        network = target.network()
        opened = open_image(subject.image.data, name=subject.image.name)
        index = network.classes.index(wanted) if wanted in network.classes else None
        with heat_map.progressing(st.empty(), run.name, _back, run.id) as tell:
            found = explain(
                network, to_tensor(opened, network.preprocessing), choice.method, target=index,
                settings=dict(choice.settings), progress=tell,
            )  # fmt: skip
        return fit(opened, network.preprocessing), network.classes, found

    picture, names, found = caches.remember("heat-runs", key, make, entries=24)
    name = names[found.heatmap.target]
    share = figures.percent(float(found.probabilities[found.heatmap.target]))
    drawn = heat_map.over(picture, found.heatmap, look)
    alt = _("{run}: heat for {name}").format(run=run.name, name=name)
    return Tile(drawn, run.name, f"{name} {share}", alt)


def _tile(subject: Subject, explanation: Any, look: Look, caption: str, note: str) -> Tile:
    heat = explanation.heatmap
    drawn = heat_map.over(subject.picture, heat, look)
    name = heat_map.named(subject.network.classes, heat)
    alt = _("{caption}: heat for {name}").format(caption=caption, name=name)
    return Tile(drawn, caption, _("nothing speaks for it") if heat.empty else note, alt)


def _legend(look: Look, *, signed: bool | None = None) -> None:
    if signed is not True:
        inside.scale_bar(look.colormap, _("nothing"), _("most"))
    if signed is not False:
        inside.scale_bar("blue-red", _("against"), _("for"))


def _back() -> None:
    st.session_state[VIEW] = "one"
