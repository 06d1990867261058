"""Many heatmaps side by side: methods, classes, layers, pictures."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypedDict, TypeVar

import streamlit as st

from core.errors import InputError
from core.messages import Progress
from pages.heatmaps import controls, single_map
from pages.ui.explaining import choice as choice_
from pages.ui.explaining import drawing, map_grid
from pages.ui.explaining.choice import Choice, Look, reasons
from pages.ui.explaining.map_grid import Cell
from pages.ui.kit import components, form_fields, page_states
from pages.ui.kit.tiles import grid
from pages.ui.selection import image_picker, picture_list, samples, subjects
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches
from pages.ui.text import layer_names, number_format
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from core.interpret.attribution.heatmap import Explanation

T = TypeVar("T")
MOST_LAYERS = 12
COUNTS = (6, 12, 24, 48)
SHELF, KEPT = "heat-rows", 24
_SLOW = "bl-heat-slow"


def methods(subject: Subject, choice: Choice, look: Look) -> None:
    """Draws a whole row of methods on one picture; the quick ones at once, the slow ones when asked for."""
    from core.interpret.attribution.explain import FAMILIES, METHODS

    usable = [name for name, reason in reasons(subject.network).items() if reason is None]
    usable.sort(key=lambda name: list(FAMILIES).index(METHODS[name].family))  # stable: within a family as in the table
    quick = [name for name in usable if METHODS[name].passes <= single_map.QUICK]
    slow = [name for name in usable if name not in quick]
    place, doing = st.empty(), st.container()
    components.note(_("They answer the same question in different ways. Where they agree, more can be believed."))
    wanted = st.toggle(
        _("Slow ones too"),
        key=_SLOW,
        persist_state="session",
        help=_("Methods that ask the network dozens of times: {names}.").format(
            names=", ".join(METHODS[name].title for name in slow)
        ),
    )
    cells: dict[str, Cell] = {}

    def show(name: str, explanation: Explanation) -> None:
        cells[name] = _cell(subject, explanation, METHODS[name].title, _(FAMILIES[METHODS[name].family]))

    def draw() -> None:
        with place.container():
            shown = [cells[name] for name in usable if name in cells]
            grid(map_grid.tiles(shown, look, "own"), size=map_grid.MAP_PX)
            map_grid.legend(map_grid.signs(shown), look, map_grid.SAID["methods"], choice=False)

    for name, explanation in _quick(subject, choice, quick).items():
        show(name, explanation)
    draw()
    for name in slow if wanted else ():
        fresh = not caches.known(choice_.SHELF, _key(subject, choice, name), entries=choice_.KEPT)
        with doing:
            show(name, _slow(subject, choice, name))
        if fresh:
            draw()  # each as soon as it is there
    if wanted:
        draw()


def _key(subject: Subject, choice: Choice, name: str) -> tuple[Hashable, ...]:
    """Returns what the map by another method with its usual settings is kept under."""
    return (*subject.key, *replace(choice, method=name, settings=()).key)


class _Given(TypedDict):
    target: int
    against: int | None
    layer: str | None


def _given(choice: Choice) -> _Given:
    return {"target": choice.target, "against": choice.against, "layer": choice.layer}


def _quick(subject: Subject, choice: Choice, names: Sequence[str]) -> dict[str, Explanation]:
    """Returns explanations by quick methods; those that can share one pass do, each is kept by itself."""
    from core.interpret.attribution.explain import METHODS, explain, explain_many

    def known(name: str) -> bool:
        return caches.known(choice_.SHELF, _key(subject, choice, name), entries=choice_.KEPT)

    missing = [name for name in names if not known(name)]
    shared = [name for name in missing if METHODS[name].formula]
    with st.spinner(_("Drawing the maps …"), show_time=True) if missing else nullcontext():
        made = explain_many(subject.network, subject.input(), shared, **_given(choice)) if shared else {}

        def make(name: str) -> Explanation:
            return made[name] if name in made else explain(subject.network, subject.input(), name, **_given(choice))

        return {
            name: caches.remember(choice_.SHELF, _key(subject, choice, name), partial(make, name), entries=choice_.KEPT)
            for name in names
        }


def _slow(subject: Subject, choice: Choice, name: str) -> Explanation:
    """Returns the explanation by a slow method; giving it up turns all slow ones off."""
    from core.interpret.attribution.explain import METHODS, explain

    def make(report: Progress) -> Explanation:
        return explain(subject.network, subject.input(), name, progress=report, **_given(choice))

    def cancel() -> None:
        st.session_state[_SLOW] = False

    return single_map.made_slowly(
        METHODS[name].title, choice_.SHELF, _key(subject, choice, name), make, entries=choice_.KEPT, cancel=cancel
    )


def classes(subject: Subject, choice: Choice, look: Look) -> None:
    """Draws the same method for the likeliest classes: predicted against true first, where they differ."""
    names, probabilities = subject.network.classes, subject.probabilities()
    order = [int(index) for index in probabilities.argsort()[::-1][:6]]
    truth = names.index(subject.image.truth) if subject.image.truth in names else None
    asked = [choice.target, *([choice.against] if choice.against is not None else [])]
    wanted = list(dict.fromkeys([order[0], *([truth] if truth is not None else []), *asked, *order]))[:7]
    other = choice.against if choice.against is not None else next((i for i in wanted if i != choice.target), None)
    found = _each_class(subject, choice, wanted, other)
    if found is None:
        return
    cells = []
    for explanation in found:
        heat = explanation.heatmap
        share = number_format.percent(float(probabilities[heat.target]))
        notes = {order[0]: _("predicted, {share}"), truth: _("its class, {share}")}
        if truth == order[0]:
            notes = {truth: _("predicted and true, {share}")}
        alone = heat.against is not None
        note = _("difference, on its own scale") if alone else notes.get(heat.target, "{share}").format(share=share)
        cells.append(replace(_cell(subject, explanation, drawing.named(names, heat), note), alone=alone))
    map_grid.draw(cells, look, usual="figures" if choice.row.follows_class else "own")
    if not choice.row.follows_class:
        subjects.callout(_("This map is the same for every class: the method asks for none."))


def _each_class(subject: Subject, choice: Choice, wanted: Sequence[int], other: int | None) -> list[Explanation] | None:
    """Returns an explanation a class, and one of the chosen class against another; ``None`` if it waits for a click."""
    from core.interpret.attribution.explain import explain_classes

    key = (*subject.key, *choice.key, "classes", tuple(wanted), other)

    def make(report: Progress) -> list[Explanation]:
        def ask(targets: Sequence[int], against: int | None = None) -> list[Explanation]:
            of = (subject.network, subject.input(), choice.method, targets)
            return explain_classes(*of, against=against, **choice.ways, progress=report)

        return ask(wanted) + (ask([choice.target], other) if other is not None else [])

    return _made(subject, choice, key, make, len(wanted) + 1)


def _made(
    subject: Subject, choice: Choice, key: tuple[Hashable, ...], make: Callable[[Progress], T], times: int
) -> T | None:
    """Returns what is kept of a row of maps, made now where it is not; ``None`` where it waits for a click."""
    if not caches.known(SHELF, key, entries=KEPT) and not single_map.agreed(subject, choice, key, times):
        return None
    return single_map.made_slowly(choice.row.title, SHELF, key, make, entries=KEPT)


def layers(subject: Subject, choice: Choice, look: Look) -> None:
    """Draws the same method on one layer after another, from detail to meaning."""
    from core.interpret.attribution.explain import explain_layers
    from core.interpret.layout import some_of

    if not choice.row.needs_layer:
        subjects.callout(
            _("{method} looks at the picture itself, not at a layer. Choose a class activation map.").format(
                method=choice.row.title
            )
        )
        return
    names = some_of(controls.layer_names(subject.network.anatomy), MOST_LAYERS)
    key = (*subject.key, *choice.key, "layers", tuple(names))

    def make(report: Progress) -> dict[str, Explanation]:
        return explain_layers(
            subject.network,
            subject.input(),
            choice.method,
            names,
            target=choice.target,
            against=choice.against,
            settings=dict(choice.settings),
            progress=report,
        )

    found = _made(subject, choice, key, make, len(names))
    if found is None:
        return
    anatomy = subject.network.anatomy
    known = anatomy.layers_by_name
    cells = [
        _cell(subject, explanation, layer_names.layer(anatomy, name), " × ".join(map(str, known[name].output_shape)))
        for name, explanation in found.items()
    ]
    map_grid.draw(cells, look, usual="own", meaning="layers")
    components.note(
        _("Early layers see detail that belongs to any class; late ones see coarsely, but what the class is about.")
    )


def pictures(subject: Subject, choice: Choice, look: Look) -> None:
    """Draws one method over many pictures: some that the run held out, or the samples."""
    from core.interpret.attribution.explain import explain_each

    run = subject.target.run
    place = st.container()
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

    def make(report: Progress) -> list[Explanation]:
        inputs = [_input(subject, picture) for _n, _t, picture in shown]
        return explain_each(subject.network, inputs, choice.method, **choice.ways, progress=report)

    with place:
        found = _made(subject, choice, key, make, len(shown))
        if found is None:
            return
        cells = [_judged(subject, *row, explanation) for row, explanation in zip(shown, found, strict=True)]
        map_grid.draw(cells, look, usual="probability", size=150)
        components.note(
            _(
                "Each for the class that the network says. Look for what the maps have in common, and where they go "
                "astray."
            )
        )


def _judged(subject: Subject, name: str, truth: str | None, picture: Image.Image, explanation: Explanation) -> Cell:
    """Returns the map of one of many pictures, with what the network says of it and whether that is right."""
    predicted = subject.network.classes[explanation.predicted]
    probability = float(explanation.probabilities[explanation.predicted])
    judged = truth is not None and subject.target.run is not None
    right = truth == predicted
    return Cell(
        explanation.heatmap,
        probability,
        picture,
        f"{predicted} {number_format.percent(probability)}",
        "" if not judged else _("right") if right else _("it is {label}").format(label=truth),
        _("{key}: heat for {name}").format(key=name, name=predicted),
        "" if not judged else "good" if right else "bad",
    )


def _shown(subject: Subject, count: int) -> list[tuple[str, str | None, Image.Image]]:
    """Returns name, class and picture (as the network sees it) of some pictures."""
    from core.data.images import fit, open_image

    run, prep = subject.target.run, subject.network.preprocessing
    if run is None:
        found = [(name, None, samples.bytes_of(name)) for name in samples.SAMPLES]
        return [(name, truth, fit(open_image(data, name=name), prep)) for name, truth, data in found]
    options = dict(list(image_picker.held_out(run, per_class=count).items())[:count])

    def load() -> list[tuple[str, str | None, Image.Image]]:
        dataset = picture_list.reopened(run)
        places = {item.key: place for place, item in enumerate(dataset.items)}
        rows: list[tuple[str, str | None, Image.Image]] = []
        for key, label in options.items():
            try:
                rows.append((key, label, fit(dataset.load(places[key]), prep)))
            except (InputError, KeyError):  # gone or damaged meanwhile: the others are still worth seeing
                continue
        return rows

    found_ = caches.remember("heat-pictures", (run.id, count, prep), load, entries=4)
    return list(found_)


def _input(subject: Subject, picture: Image.Image) -> Tensor:
    from core.data.images import to_tensor

    return to_tensor(picture, subject.network.preprocessing, fitted=True)


def _cell(subject: Subject, explanation: Explanation, caption: str, note: str) -> Cell:
    heat = explanation.heatmap
    alt = _("{caption}: heat for {name}").format(caption=caption, name=drawing.named(subject.network.classes, heat))
    return Cell(heat, float(explanation.probabilities[heat.target]), subject.picture, caption, note, alt)
