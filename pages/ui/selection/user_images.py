"""The person's own images, as a network's channels are measured on them: which, how many, with progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

from core.errors import InputError
from core.messages import StagedProgress
from pages.ui.kit import charts, clicks, components, form_fields, nav
from pages.ui.selection import picture_list
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches, choices
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.workflows.inspection.channel_survey import Fingerprints, LayerAnswers

T = TypeVar("T")

ALONE = "bl-work-alone"
COUNTS = (50, 100, 200, 400)
DOING = {
    "reading": N_("Reading the images: {done} of {total}"),
    "looking": N_("Running them through the network: {done} of {total}"),
    "comparing": N_("Comparing the layers: {done} of {total} images"),
    "measuring": N_("Measuring the layers: {done} of {total}"),
    "testing": N_("Testing the heatmaps: {done} of {total} passes"),
}


@dataclass(frozen=True, slots=True)
class Own:
    """Some of the person's images.

    Attributes:
        images: As many as are looked at.
        key: What caches of things made with them are keyed on.
        split: The split they come from; empty for all.
        title: What their data set is called.
    """

    images: Dataset
    key: tuple[str]
    split: str
    title: str


def choose(subject: Subject, key: str, *, most: int = 200) -> Own | None:
    """Draws the choice of a split and of how many images; the run's data, else the data chosen on the Data page.

    Args:
        subject: What is looked at.
        key: Stable start of the widgets' keys.
        most: How many images to begin with.

    Returns:
        ``None`` where there are no images; what to do was said.
    """
    dataset = _dataset(subject)
    if dataset is None:
        return None
    splits = [name for name in ("train", "val", "test") if any(item.split == name for item in dataset.items)]
    offered = ["", *splits] if len(splits) != 1 else [""]
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{key}-own"):
        split = form_fields.choice(
            _("Of your images"),
            offered,
            f"{key}-split",
            format_func=lambda name: charts.split_label(name) if name else _("All"),
            default="",
        )
        there = sum(1 for item in dataset.items if not split or item.split == split)
        counts, usual = _counts(there, most)
        count_key = f"{key}-count-{len(counts)}-{counts[-1]}"
        count = form_fields.choice(
            _("How many"),
            counts,
            count_key,
            format_func=number_format.exact,
            default=usual,
            help=_("The classes take turns. More images tell more, and take longer."),
        )
    return _drawn(dataset, str(split or ""), int(count or usual))


def usual(subject: Subject, *, most: int = 200) -> Own | None:
    """Returns the images that :func:`choose` begins with, without drawing anything; ``None`` where there are none."""
    dataset = _dataset(subject, quiet=True)
    if dataset is None or not dataset.items:
        return None
    return _drawn(dataset, "", _counts(len(dataset.items), most)[1])


def _counts(there: int, most: int) -> tuple[list[int], int]:
    """Returns how many of so many images may be looked at, and with which of these numbers to begin."""
    counts = [count for count in COUNTS if count < there] or [there]
    if there <= COUNTS[-1] and there not in counts:
        counts.append(there)
    return counts, max((count for count in counts if count <= most), default=counts[0])


def _drawn(dataset: Dataset, split: str, count: int) -> Own:
    from core.workflows.inspection.channel_survey import chosen, images_key

    images = caches.remember(
        "own-images",
        (dataset.name, len(dataset.items), hash(dataset.items), split, count),
        lambda: chosen(dataset, split, count),
        entries=16,
    )
    key = caches.remember(
        "own-keys", (id(images), dataset.name, split, count, hash(images.items)), lambda: images_key(images), entries=16
    )
    return Own(images, (key,), split, dataset.title)


def _dataset(subject: Subject, *, quiet: bool = False) -> Dataset | None:
    """Returns the images that go with the subject; ``None`` where there are none, and says so."""
    run = subject.target.run
    try:
        if run is not None:
            return picture_list.reopened(run)
        spec = choices.data()
        if spec is not None:
            return caches.divided(spec)
    except InputError as error:
        if not quiet:
            components.note(translate_error(error))
        return None
    if not quiet:
        components.note(_("Choose images on the Data page: their classes and pictures are needed for this."))
        nav.link("data", _("Choose images"), icon=":material/photo_library:")
    return None


def part(view: Callable[..., None]) -> Callable[..., None]:
    """Returns a view as a fragment; while work goes on that can be given up, as a plain part of the page.

    A click inside a fragment waits until the fragment is done. Only a click on the page itself ends what it does.
    """
    if not st.session_state.get(ALONE):
        return st.fragment(view)

    def plain(*given: object) -> None:
        with st.container():  # as a fragment has one: so everything keeps its place
            view(*given)

    return plain


@contextmanager
def alone() -> Iterator[None]:
    """Does a piece of work outside of all fragments that :func:`part` makes: the page is drawn anew for it, once."""
    if not st.session_state.get(ALONE):
        st.session_state[ALONE] = True
        st.rerun()
    try:
        yield
    finally:
        done_alone()


def done_alone() -> None:
    """Lets the views be fragments again."""
    st.session_state.pop(ALONE, None)


@contextmanager
def progress(*, key: str, cancel: Callable[[], None]) -> Iterator[StagedProgress]:
    """Shows how far a piece of work is, with a way to give it up: what is clicked meanwhile ends the work.

    Args:
        key: Stable start of the keys.
        cancel: Called when it is given up.

    Yields:
        What the work calls with what it does, how much is done and how much there is.
    """
    with alone():
        place = st.empty()
        with place.container(horizontal=True, vertical_alignment="center", key=f"{key}-doing"):
            bar = st.progress(0.0, text=_("Beginning …"), width="stretch")
            st.button(_("Cancel"), icon=":material/close:", key=f"{key}-cancel", on_click=cancel)

        def report(doing: str, done: int, total: int) -> None:
            text = _(DOING.get(doing, doing)).format(done=number_format.exact(done), total=number_format.exact(total))
            bar.progress(min(done / max(total, 1), 1.0), text=text)

        try:
            yield report
        finally:
            place.empty()


def asked(text: str, label: str, *, icon: str, key: str, primary: bool = False) -> bool:
    """Says what a piece of work does and draws the button that begins it; both are gone once it was pressed."""
    place = st.empty()
    with place.container():
        if text:
            components.note(text)
        pressed = clicks.button(label, icon=icon, key=key, type="primary" if primary else "secondary")
    if pressed:
        place.empty()
    return pressed


def on_request(
    request: object,
    work: Callable[[StagedProgress], T],
    text: str,
    label: str,
    *,
    icon: str,
    key: str,
    primary: bool = False,
) -> T | None:
    """Offers a piece of work, and does it with progress once it was asked for.

    Args:
        request: What distinguishes it from others; once asked for, it is done until it is given up.
        work: Does it, and calls its argument with what it does, how much is done and how much there is.
        text: What it does, translated; may be empty.
        label: Of the button that begins it.
        icon: The button's.
        key: Stable start of the keys.
        primary: Whether the button is the view's main one.

    Returns:
        ``None`` before it was asked for, and where it cannot be done; why was said.
    """
    requested = f"{key}-request"

    def forget() -> None:
        st.session_state[requested] = None

    if st.session_state.get(requested) != request:
        if not asked(text, label, icon=icon, key=f"{key}-go", primary=primary):
            return None
        st.session_state[requested] = request
    try:
        with progress(key=key, cancel=forget) as report:
            return work(report)
    except InputError as error:
        forget()
        components.note(translate_error(error))
        return None


def prints(subject: Subject, own: Own) -> Fingerprints:
    """Returns the ``Fingerprints`` of the network and the images, worked out once."""
    from core.workflows.inspection.channel_survey import Fingerprints, weights_key

    key = caches.remember("weight-prints", subject.target.key, lambda: weights_key(subject.network), entries=16)
    return Fingerprints(key, own.key[0])


def gathered(subject: Subject, own: Own, layer: str) -> LayerAnswers | None:
    """Returns the ``LayerAnswers`` of a layer where they are known, else ``None``."""
    from core.workflows.inspection.channel_survey import collect_answers, known

    key = (*subject.target.key, *own.key, layer)
    if caches.known("gathered", key, entries=12) or known(prints(subject, own), layer):
        return caches.remember(
            "gathered",
            key,
            lambda: collect_answers(subject.network, own.images, layer, fingerprints=prints(subject, own)),
            entries=12,
        )
    return None


def gather_on_request(
    subject: Subject, own: Own, layer: str, text: str, label: str, *, key: str
) -> LayerAnswers | None:
    """Returns the activations of a layer's channels on the images: known already, or once asked for."""
    from core.workflows.inspection.channel_survey import collect_answers

    def work(report: StagedProgress) -> LayerAnswers:
        return caches.remember(
            "gathered",
            (*subject.target.key, *own.key, layer),
            lambda: collect_answers(
                subject.network, own.images, layer, progress=report, fingerprints=prints(subject, own)
            ),
            entries=12,
        )

    found = gathered(subject, own, layer)
    if found is not None:
        return found
    return on_request((*subject.target.key, layer), work, text, label, icon=":material/image_search:", key=key)
