"""Why it said so: the evidence for the class it named and for the true one, and the training images most like it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import compact
from core.errors import InputError
from pages.evaluate import repair
from pages.ui.comparing import answers
from pages.ui.explaining import map_grid, testing, trust_word
from pages.ui.explaining.choice import KEPT, SHELF, Choice, Look, reasons, usual
from pages.ui.explaining.map_grid import Cell
from pages.ui.explaining.testing import Testable
from pages.ui.kit import clicks, components
from pages.ui.kit.tiles import Tile, grid
from pages.ui.selection import background_work, image_picker, network_picker, subjects
from pages.ui.selection.network_picker import Target
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import _, _n, translate_error

if TYPE_CHECKING:
    from PIL.Image import Image
    from streamlit.delta_generator import DeltaGenerator

    from core.interpret.attribution.heatmap import Explanation
    from core.models.network import Network
    from core.runs.store import Run
    from core.workflows.evaluate import Evaluation
    from core.workflows.inspection.nearest import Nearest

AT_ONCE = 4
"""Pictures whose maps are drawn before they are shown."""
SIDE, NEAR_SIDE = 176, 132
SHARP = 96
"""Longest side of pictures that are enlarged pixel by pixel."""
_PLACED = 250
"""Height that is kept for a row that is not drawn yet, in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A picture with what was said of it.

    Attributes:
        key: The picture among the run's images.
        true: Its class.
        said: The class that was named.
        shares: Probability of the class that was named, and of its own.
        seen: The picture as the network sees it.
    """

    key: str
    true: int
    said: int
    shares: tuple[float, float]
    seen: Subject

    @property
    def targets(self) -> list[int]:
        """The classes whose evidence is shown: the one that was named, and its own."""
        return [self.said, self.true]

    @property
    def name(self) -> str:
        """The picture's file."""
        return PurePosixPath(self.key).name


def draw(run: Run, judged: Evaluation, rows: Sequence[int]) -> None:
    """Draws for each picture where the evidence lies, how far that is trusted, and the nearest training images.

    Args:
        run: The run, with weights.
        judged: What it answered.
        rows: Which of its answers, a page of them.
    """
    target = network_picker.target_of(run)
    network = subjects.load(target)
    if network is None:
        return
    method = caches.remember("usual-methods", target.key, lambda: _usual(network), entries=16)
    components.section(
        _("Why it said so"),
        _(
            "Where the evidence lies for the class that it named and for the true one, and the training images that "
            "are most alike to the network."
        ),
    )
    map_grid.legend(
        [Choice(method, 0).row.signed],
        Look(),
        map_grid.SAID["pair" if map_grid.chosen("figures") == "figures" else "own"],
        choice=True,
    )
    with st.container(horizontal=True, vertical_alignment="center", key="bl-why-state"):
        state, tests = st.container(width="stretch"), st.container(width="content")
    places = [_place(number) for number in range(len(rows))]
    with st.spinner(_("Drawing the heatmaps …"), show_time=True):
        cases = _drawn(target, network, run, judged, rows, places, method)
    maps = {number: _testable(network, run, case, method) for number, case in cases.items()}
    with tests:
        if len(maps) > 1:
            testing.offer(list(maps.values()), _("Test these heatmaps"), key="bl-why-test")
    classes = judged.predictions.classes
    for number, one in maps.items():
        with places[number][0]:
            _trust(one, classes[cases[number].said], number)
    with state:
        near = _nearest(target, network, run, list(cases.values()))
    again = repair.relabelled(run)
    for place, (number, case) in enumerate(cases.items()):
        with places[number][1]:
            _neighbours(run, case, classes, near, place, again)


def _trust(one: Testable, name: str, number: int) -> None:
    """Draws whether the map for the named class can be trusted, once it was tested, which is offered."""
    testing.offer([one], _("Test the map for {name}").format(name=components.plain(name)), key=f"bl-why-test-{number}")
    found = testing.verdict_of(one)
    if found is not None:
        question = components.phrase(_("Can the map for {name} be trusted?").format(name=name))
        st.html(f'<p class="bl-trust-question">{question}</p>{trust_word.said(found)}')


def _usual(network: Network) -> str:
    return usual([name for name, reason in reasons(network).items() if reason is None])


def _place(number: int) -> tuple[DeltaGenerator, DeltaGenerator, DeltaGenerator]:
    """Makes a row's places: below its maps, beside them, and for the maps themselves."""
    with st.container(key=f"bl-wrap-why-{number}"):
        left, right = st.columns([1.35, 1], gap="large")
    slot = left.empty()
    slot.skeleton(_PLACED)
    return left.container(), right, slot


def _drawn(
    target: Target,
    network: Network,
    run: Run,
    judged: Evaluation,
    rows: Sequence[int],
    places: Sequence[tuple[DeltaGenerator, DeltaGenerator, DeltaGenerator]],
    method: str,
) -> dict[int, Case]:
    """Draws the maps, some pictures after the other; returns the cases that could be drawn by their place."""
    predictions = judged.predictions
    cases: dict[int, Case] = {}
    for start in range(0, len(rows), AT_ONCE):
        part: dict[int, Case] = {}
        numbers = range(start, min(start + AT_ONCE, len(rows)))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            images = dict(
                zip(numbers, pool.map(lambda n: _image(run, predictions.keys[rows[n]]), numbers), strict=True)
            )
        for number, image in images.items():
            seen = None if image is None else subjects.subject_of(target, network, image)
            if seen is not None:
                row = predictions.probabilities[rows[number]]
                true, said = int(predictions.labels[rows[number]]), int(row.argmax())
                key = predictions.keys[rows[number]]
                part[number] = Case(key, true, said, (float(row[said]), float(row[true])), seen)
            else:
                places[number][2].empty()
        try:
            found = _explained(network, list(part.values()), method)
        except InputError as error:
            for number in range(start, len(rows)):
                places[number][2].empty()
            components.note(translate_error(error))
            return cases
        for (number, case), explanations in zip(part.items(), found, strict=True):
            with places[number][2].container():
                _maps(case, predictions.classes, explanations)
        cases |= part
    return cases


def _image(run: Run, key: str) -> image_picker.ImageChoice | None:
    """Returns a picture of the run as Heatmaps has it; ``None`` for one that is gone."""
    with suppress(InputError):
        return image_picker.dataset_image(run, key)
    return None


def _keys(case: Case, method: str) -> list[tuple[object, ...]]:
    return [(*case.seen.key, *Choice(method, target).key) for target in case.targets]


def _explained(network: Network, cases: Sequence[Case], method: str) -> list[list[Explanation]]:
    """Returns for each picture the evidence for the named class and for its own, made together, each kept by itself."""
    from core.interpret.attribution.explain import explain_pictures

    missing = [case for case in cases if not all(caches.known(SHELF, key, entries=KEPT) for key in _keys(case, method))]
    made = explain_pictures(
        network, [case.seen.input() for case in missing], method, [case.targets for case in missing]
    )
    fresh = {case.key: row for case, row in zip(missing, made, strict=True)}
    found = []
    for case in cases:
        row = fresh.get(case.key)
        make = [partial(_again, network, case, method, n) if row is None else partial(_same, row[n]) for n in (0, 1)]
        keys = _keys(case, method)
        found.append([caches.remember(SHELF, keys[n], make[n], entries=KEPT) for n in (0, 1)])
    return found


def _same(explanation: Explanation) -> Explanation:
    return explanation


def _again(network: Network, case: Case, method: str, place: int) -> Explanation:
    """Makes one that was known a moment ago."""
    from core.interpret.attribution.explain import explain

    return explain(network, case.seen.input(), method, target=case.targets[place])


def _maps(case: Case, classes: Sequence[str], explanations: Sequence[Explanation]) -> None:
    """Draws what was said, the picture, and where the evidence for each of the two classes lies."""
    share, own = (number_format.percent(value) for value in case.shares)
    said, true = classes[case.said], classes[case.true]
    right = case.said == case.true
    text = _("Called {name} with {share}, right") if right else _("Called {name} with {share}, is {true}")
    st.html(f'<h3 class="bl-why">{components.phrase(text.format(name=said, share=share, true=true))}</h3>')
    notes = [_("named and true, {share}") if right else _("named, {share}"), _("its class, {share}")]
    cells = [
        Cell(
            one.heatmap,
            float(one.probabilities[one.heatmap.target]),
            case.seen.picture,
            _("For {name}").format(name=classes[one.heatmap.target]),
            note.format(share=part),
            _("{key}: heat for {name}").format(key=case.key, name=classes[one.heatmap.target]),
        )
        for one, note, part in zip(explanations[: 1 if right else 2], notes, (share, own), strict=False)
    ]
    scale = map_grid.chosen("figures")
    key = (*case.seen.key, explanations[0].heatmap.method, *case.targets, scale)

    def encoded() -> list[bytes | Image]:
        return [
            compact(case.seen.picture, 2 * SIDE),
            *(tile.image for tile in map_grid.tiles(cells, Look(), scale, SIDE)),
        ]

    images: list[bytes | Image] = caches.remember("why-maps", key, encoded, entries=48)
    words = [(_("What it sees"), case.name, case.key)]
    words += [(cell.caption, _("no evidence for it") if cell.heat.empty else cell.note, cell.alt) for cell in cells]
    tiles = [Tile(image, *word) for image, word in zip(images, words, strict=True)]
    grid(tiles, size=SIDE, row=True, pixelated=case.seen.picture.width <= SHARP)


def _testable(network: Network, run: Run, case: Case, method: str) -> Testable:
    """Returns the map for the named class, for testing."""
    key = _keys(case, method)[0]
    heat = caches.remember(SHELF, key, partial(_again, network, case, method, 0), entries=KEPT).heatmap
    mask = testing.object_mask(run, case.key, network.preprocessing)
    return Testable(case.seen.key, network, case.seen.picture, heat, mask)


def _nearest(target: Target, network: Network, run: Run, cases: Sequence[Case]) -> Nearest | None:
    """Returns the nearest training images, whose features are computed in a thread; ``None`` while that is at work."""
    from core.workflows.inspection.nearest import nearest_training_images

    pictures, roots = [case.seen.picture for case in cases], caches.roots()
    find = partial(nearest_training_images, run, network, fitted=True, roots=roots)
    try:
        there = background_work.by_itself(
            "nearest-features",
            target.key,
            lambda progress: find([], progress=progress),
            label=_("Find the nearest training images"),
            doing=_looking,
        )
        if there is None:
            return None
        key = (*target.key, tuple(case.seen.image.sha256 for case in cases))
        with st.spinner(_("Comparing with the training images …"), show_time=True):
            found = caches.remember("nearest", key, lambda: find(pictures))
    except InputError as error:
        components.note(translate_error(error))
        return None
    count, every = (number_format.exact(value) for value in (found.looked_at, found.of))
    text = _n("Nearest of the {n} training image", "Nearest of the {n} training images", found.of).format(n=every)
    if found.looked_at < found.of:
        text = _("Nearest of {count} of the {n} training images, drawn by lot").format(count=count, n=every)
    components.note(text, term="cosine similarity")
    return found


def _looking(done: int, total: int) -> str:
    if not total:
        return _("Looking at the training images …")
    return _("Looking at the training images: {done} of {total}").format(
        done=number_format.exact(done), total=number_format.exact(total)
    )


def _neighbours(
    run: Run, case: Case, classes: Sequence[str], near: Nearest | None, place: int, again: dict[str, str]
) -> None:
    """Draws the training images nearest to a picture, and what they say of its label."""
    components.note(_("Nearest training images"))
    if near is None:
        st.skeleton(NEAR_SIDE)
        return
    tiles = []
    for one in near.neighbours[place]:
        image = answers.thumbnail(run, one.key)
        if image is None:
            continue
        other = one.label != classes[case.true]
        likeness = number_format.number(one.cosine, 3)
        note = _("another class, {likeness}") if other else _("its class, {likeness}")
        alt = _("{key}: {name}, cosine {likeness}").format(key=one.key, name=one.label, likeness=likeness)
        words = f"{note.format(likeness=likeness)} · {PurePosixPath(one.key).name}"
        tiles.append(Tile(image, one.label, words, alt, "bad" if other else "good"))
    small = all(isinstance(tile.image, bytes) and tile.image.startswith(b"\x89PNG") for tile in tiles)
    grid(tiles, size=NEAR_SIDE, row=True, pixelated=small)
    if case.said != case.true:
        _label(run, case, classes[case.said], near.agreed(place), place, again)


def _label(run: Run, case: Case, said: str, agreed: str | None, place: int, again: dict[str, str]) -> None:
    """Says where a mistake's label is doubtful, and offers the class that was named instead."""
    if again.get(case.key) == said:
        components.note(_("Since this run its label is {name}.").format(name=said))
        return
    if agreed == said:
        components.note(_("Its nearest training images are all {name}: perhaps the label is wrong.").format(name=said))
    if clicks.button(
        _("Relabel as {name}").format(name=components.plain(said)),
        icon=":material/sell:",
        key=f"bl-why-relabel-{place}",
        help=_("The picture gets the class that the network takes it for; the file stays."),
    ):
        repair.relabel(run, case.key, said)
