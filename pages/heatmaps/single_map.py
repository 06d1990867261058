"""One heatmap on the page: made once, with progress where it takes long, and laid over the picture."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

from core.data.encoding import png
from core.messages import Progress
from pages.heatmaps import controls
from pages.ui.explaining.choice import KEPT, SHELF, Choice, Look
from pages.ui.explaining.drawing import named, over, scale
from pages.ui.kit import clicks, components
from pages.ui.selection import subjects
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches
from pages.ui.text import layer_names, number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from core.interpret.attribution.heatmap import Explanation, Heatmap
    from core.models.anatomy.records import Anatomy

T = TypeVar("T")
ASKED = 12.0
"""Seconds from which a method is not begun unasked."""
QUICK = 2
"""Passes up to which a method is drawn unasked and without progress."""
BEGUN = "bl-heat-asked"
EMPTY = N_(
    "In {layer} there is no evidence for {name} in this picture, so the map is empty. Choose another class, layer or "
    "method."
)


def explained(subject: Subject, choice: Choice) -> Explanation | None:
    """Returns the explanation, made once; a slow method shows how far it is and can be given up.

    Args:
        subject: Network and picture.
        choice: What is to be drawn.

    Returns:
        ``None`` where it would take so long that it waits for a click.

    Raises:
        InputError: There is none for this choice.
    """
    from core.interpret.attribution.explain import explain

    key = (*subject.key, *choice.key)

    def make(report: Progress | None = None) -> Explanation:
        return explain(
            subject.network,
            subject.input(),
            choice.method,
            target=choice.target,
            against=choice.against,
            progress=report,
            **choice.ways,
        )

    if caches.known(SHELF, key, entries=KEPT):
        return caches.remember(SHELF, key, make, entries=KEPT)
    if choice.row.passes <= QUICK:
        with st.spinner(_("Drawing the map …"), show_time=True):
            return caches.remember(SHELF, key, make, entries=KEPT)
    if not agreed(subject, choice, key):
        return None
    return made_slowly(choice.row.title, SHELF, key, make, entries=KEPT)


def made_slowly(
    title: str,
    shelf: str,
    key: tuple[Hashable, ...],
    make: Callable[[Progress], T],
    *,
    entries: int,
    cancel: Callable[[], None] | None = None,
) -> T:
    """Returns what is remembered for a key; it is made, where it is not there yet, with progress and a way out.

    Args:
        title: What is at work, translated.
        shelf: As in :func:`caches.remember`.
        key: The same.
        make: Makes it, and calls its argument with passes done and in all.
        entries: As in :func:`caches.remember`.
        cancel: Called before the page is drawn anew without it; by default the usual method is chosen.
    """
    if caches.known(shelf, key, entries=entries):
        return caches.remember(shelf, key, lambda: make(lambda _done, _total: None), entries=entries)
    with progressing(title, cancel or give_up, key) as (report, wait):
        return caches.remember(shelf, key, lambda: make(report), entries=entries, waiting=wait)


def ready(subject: Subject, choice: Choice) -> Explanation | None:
    """Returns the explanation where it is there already or quick to make; ``None`` where it would take a while."""
    known = caches.known(SHELF, (*subject.key, *choice.key), entries=KEPT)
    return explained(subject, choice) if known or choice.row.passes <= QUICK else None


def agreed(subject: Subject, choice: Choice, key: tuple[Hashable, ...], times: int = 1) -> bool:
    """Returns whether to begin: at once with what is quick, else when asked to, which is offered.

    Args:
        subject: Network and picture.
        choice: What is to be drawn.
        key: What distinguishes it from others.
        times: How many such maps.
    """
    if choice.row.passes <= QUICK:
        return True
    wait = times * seconds(subject, choice)
    return wait <= ASKED or _asked(choice, wait, key)


def seconds(subject: Subject, choice: Choice) -> float:
    """Estimates how long a map takes, from what one gradient of this network took here, the first being a cold one."""
    from core.interpret.attribution.explain import explain

    def measure() -> float:
        return min(explain(subject.network, subject.input(), "saliency").heatmap.seconds for _once in range(2))

    with st.spinner(_("Seeing how long it will take …"), show_time=True):
        one = caches.remember("pass-seconds", subject.target.key, measure, entries=16)
    return float(one) * choice.row.cost(dict(choice.settings), subject.network.anatomy) / 2


def _asked(choice: Choice, wait: float, key: tuple[Hashable, ...]) -> bool:
    """Offers to begin what takes long; returns whether it was asked for."""
    token = "bl-heat-go-" + str(abs(hash(key)))
    if st.session_state.get(BEGUN) == token:
        return True
    with st.container(border=True, key="bl-heat-wait"):
        components.section(
            _("{method} takes about {time} here").format(method=choice.row.title, time=duration(wait)),
            _("It asks the network many times. You can cancel it, and others can use the network meanwhile."),
        )
        if clicks.button(_("Draw it"), key=token, type="primary", icon=":material/play_arrow:"):
            st.session_state[BEGUN] = token
            st.rerun()
    return False


@contextmanager
def progressing(
    title: str, cancel: Callable[[], None], key: tuple[Hashable, ...]
) -> Iterator[tuple[Progress, Callable[[], None]]]:
    """Shows how far something is, with a way out, until the block ends.

    Args:
        title: What is at work, translated.
        cancel: Called before the page is drawn anew without it.
        key: What distinguishes it from others on the page.

    Yields:
        What is called with passes done and in all, and what is called while somebody else makes the same.
    """
    place, mark = st.empty(), abs(hash(key))
    with place.container(horizontal=True, vertical_alignment="center", key=f"bl-heat-doing-{mark}"):
        bar = st.progress(0.0, text=_("{method} looks many times …").format(method=title), width="stretch")
        st.button(_("Cancel"), icon=":material/close:", key=f"bl-heat-cancel-{mark}", on_click=cancel)

    def report(done: int, total: int) -> None:
        text = _("{method}: {done} of {total} passes").format(
            method=title, done=number_format.exact(done), total=number_format.exact(total)
        )
        bar.progress(min(done / max(total, 1), 1.0), text=text)

    def wait() -> None:
        bar.progress(
            0.0, text=_("{method}: somebody else has just begun the same, and you share it …").format(method=title)
        )

    try:
        yield report, wait
    finally:
        place.empty()


def give_up() -> None:
    """Goes back to the usual, quick method."""
    st.session_state.pop(BEGUN, None)
    controls.METHOD.choose(None)


def draw(subject: Subject, explanation: Explanation, choice: Choice, look: Look) -> None:
    """Draws the map over the picture, with its scale, what it was made from, and a way to save it."""
    heat = explanation.heatmap
    name = named(subject.network.classes, heat)
    drawn = over(subject.picture, heat, look)
    subjects.picture(
        drawn,
        title=f"{choice.row.title} · {name}",
        alt=_("Heatmap of the evidence for {name}, laid over the picture").format(name=name),
    )
    scale(look, signed=heat.signed)
    if heat.empty:
        where = layer_names.layer(subject.network.anatomy, heat.layer) if heat.layer else _("the picture")
        subjects.callout(_(EMPTY).format(layer=where, name=name), icon="hide_image")
    if not choice.row.follows_class:
        subjects.callout(_("This map is the same for every class: the method asks for none."), icon="info")
    subjects.warn_random(subject.target)
    components.note(summary(heat, subject.network.anatomy))
    components.download(_("Save picture"), png(drawn), f"{choice.method}.png", "bl-heat-save")


def summary(heat: Heatmap, anatomy: Anatomy) -> str:
    """Says where a map was computed, in which time, and what its colours leave out."""
    time = duration(heat.seconds)
    sentence = (
        _("Computed on {layer} in {time}.").format(layer=layer_names.layer(anatomy, heat.layer), time=time)
        if heat.layer
        else _("Computed on the pixels in {time}.").format(time=time)
    )
    if heat.gap is not None:
        share = number_format.percent(heat.gap)
        text = _(
            "Its shares miss the score's rise above plain grey by {share}; more steps or samples bring them closer."
        ).format(share=share)
        if heat.steps is not None:
            text = _(
                "With {steps} steps its shares add up to the score's rise above plain grey, but for {share} of it."
            ).format(steps=heat.steps, share=share)
        sentence += " " + text
    return sentence + (" " + _("Colours end at the strongest 2\u00a0%\u00a0of them.") if heat.per_pixel else "")


def duration(seconds_: float) -> str:
    """Writes a time with its unit."""
    if seconds_ < 1:
        return f"{number_format.number(seconds_ * 1000, 2)} ms"
    return f"{number_format.number(seconds_, 2)} s" if seconds_ < 90 else _("{n} min").format(n=round(seconds_ / 60))
