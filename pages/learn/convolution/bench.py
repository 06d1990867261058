"""The bench: a picture and kernels of numbers, a window that slides, the sum term by term, the answer as it grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from core.errors import InputError
from pages.learn.convolution import controls, photo, state
from pages.learn.convolution.state import Bench
from pages.ui.kit import components
from pages.ui.kit.page_states import broken, guarded
from pages.ui.kit.style import component
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from core.lessons.convolution import Convolved

KEY = "bl-learn-bench"
WORDS = {
    "picture": N_("Picture"),
    "kernel": N_("Kernel"),
    "answer": N_("Answer"),
    "channel": N_("Channel {n}"),
    "slice": N_("Slice {n}"),
    "map": N_("Map {n}"),
    "play": N_("Play"),
    "pause": N_("Pause"),
    "step": N_("Step"),
    "all": N_("Show all"),
    "again": N_("From the start"),
    "paint": N_("Paint"),
    "brush": N_("Value that is painted"),
    "hidden": N_("not shown yet"),
    "hint": N_("Press Play or Step, or click a place of the answer: here its sum is written out."),
    "where": N_("Row {row}, column {column} of the answer"),
    "bad": N_("“{word}” is no number: the cell keeps its value."),
}
"""What the bench says, in the browser."""


def draw() -> None:
    """Draws the bench; a change of it draws nothing else of the page anew."""
    st.fragment(_bench)()


@guarded
def _bench() -> None:
    from core.lessons.convolution import convolve

    try:
        bench = state.read()
        controls.draw(bench)
        done = convolve(bench.picture, bench.kernels, bench.sliding)
    except InputError as error:
        broken(_("This cannot be convolved"), translate_error(error), icon="report", tone="warn")
        st.button(_("Take the first example"), key="bl-learn-first", on_click=state.take, args=(state.FIRST,))
        return
    made = component("convolution", '<div class="bl-conv" role="group"></div>', "convolution.js", "convolution.css")
    made(data={**data(bench, done), "taken": st.session_state.get(_TAKEN, 0)}, key=KEY, on_event_change=_take)
    components.note(words(bench, done))
    photo.draw(bench)


def data(bench: Bench, done: Convolved) -> dict[str, Any]:
    """Returns what the browser draws: every figure of it is torch's."""
    columns = done.output.shape[2]
    asked = state.CELL.asked() or ""
    kernel = min(len(done.output) - 1, _number(state.MAP.asked()))
    row, _dot, column = asked.partition(".")
    cell = _number(row) * columns + _number(column) if column else None
    return {
        "picture": bench.picture.tolist(),
        "padded": done.padded.tolist(),
        "padding": bench.sliding.padding,
        "kernels": bench.kernels.tolist(),
        "laid": done.kernels.tolist(),
        "flipped": bench.sliding.flipped,
        "output": done.output.tolist(),
        "first": [done.channels_of(place).start for place in range(len(done.output))],
        "stride": bench.sliding.stride,
        "dilation": bench.sliding.dilation,
        "kernel": kernel,
        "cell": cell if cell is not None and cell < done.output[0].numel() else None,
        "all": asked == "all",
        "words": {name: _(word) for name, word in WORDS.items()},
        "alt": words(bench, done),
    }


def words(bench: Bench, done: Convolved) -> str:
    """Says what lies on the bench, and how large the answer is by the formula."""
    channels, height, width = bench.picture.shape
    count, _slices, tall, wide = bench.kernels.shape
    sliding = bench.sliding
    text = _(
        "{channels} × {h} × {w} under {count} × {tall} × {wide}, padding {p}, stride {s}, dilation {d}: the answer is "
        "{maps} × {rows} × {columns}, since ⌊({h} + 2·{p} − {d}·({tall} − 1) − 1) / {s}⌋ + 1 = {rows}."
    ).format(
        channels=channels,
        h=height,
        w=width,
        count=count,
        tall=tall,
        wide=wide,
        p=sliding.padding,
        s=sliding.stride,
        d=sliding.dilation,
        maps=len(done.output),
        rows=done.output.shape[1],
        columns=done.output.shape[2],
    )
    if sliding.flipped:
        return text + " " + _("The kernel is flipped: mathematics has it so, and torch does not.")
    return text


def _take() -> None:
    """Takes over what was typed, painted or clicked in the browser, before the page is drawn.

    What a page takes over while it is drawn is lost where the next click ends that drawing.
    """
    import torch

    from core.lessons.convolution import convolve

    event = getattr(st.session_state.get(KEY), "event", None)
    if not isinstance(event, dict):
        return
    st.session_state[_TAKEN] = event.get("at")
    try:
        for name in ("picture", "kernels"):
            if name in event:
                state.put(**{name: torch.tensor(event[name], dtype=torch.float64)})
        bench = state.read()
        state.place(event, convolve(bench.picture, bench.kernels, bench.sliding).output.shape[2])
    except (TypeError, ValueError):  # no numbers; what cannot be convolved, of which the page says why
        return


_TAKEN = "bl.learn.conv.taken"
"""When the browser sent what was taken over last, in its milliseconds."""


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 6 else 0
