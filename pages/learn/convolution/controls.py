"""What is chosen above the bench: an example, kernels of the library, how the window slides."""

from __future__ import annotations

import streamlit as st

from core.errors import InputError
from core.lessons.kernels import KERNELS, PRESETS
from pages.learn.convolution import state
from pages.learn.convolution.state import Bench
from pages.ui.kit import clicks, form_fields
from pages.ui.kit.page_states import broken
from pages.ui.session import address
from pages.ui.text.i18n import N_, _, translate_error

TITLES = {"stride": N_("Stride"), "padding": N_("Padding"), "dilation": N_("Dilation"), "groups": N_("Groups")}
HELP = {
    "stride": N_("Cells from one place of the window to the next."),
    "padding": N_("Cells added on each side of the picture."),
    "dilation": N_("Cells from one tap of the kernel to the next."),
    "groups": N_("Channels and kernels are parted into so many groups; as many as channels is depthwise."),
}
_LIBRARY, _TEXT_X, _TEXT_K, _TRY = "bl-learn-library", "bl-learn-text-x", "bl-learn-text-k", "bl-learn-try"


def draw(bench: Bench) -> None:
    """Draws the controls of what is on the bench."""
    with st.container(key="bl-learn-bench-row", horizontal=True, vertical_alignment="bottom"):
        _example()
        _library(bench)
        for name in ("stride", "padding"):
            _number(name)
        _flip()
        with st.popover(_("More"), icon=":material/tune:", key="bl-learn-bench-more"):
            for name in ("dilation", "groups"):
                _number(name)
            _mode()
            _typed(bench)


def _example() -> None:
    st.session_state[_TRY] = state.PRESET.among(PRESETS, state.FIRST)

    def taken() -> None:
        state.take(st.session_state[_TRY])

    st.selectbox(
        _("Example"),
        list(PRESETS),
        format_func=lambda name: _(PRESETS[name].title),
        key=_TRY,
        on_change=taken,
        width=250,
    )


def _library(bench: Bench) -> None:
    """Draws the library of kernels: of several chosen ones, each makes a map."""
    from core.lessons.kernels import names_of, stack

    channels = bench.kernels.shape[1]
    st.session_state[_LIBRARY] = names_of(bench.kernels)

    def taken() -> None:
        chosen = st.session_state[_LIBRARY]
        if chosen:
            state.put(kernels=stack(chosen, channels))

    st.multiselect(
        _("Kernels"),
        list(KERNELS),
        format_func=lambda name: _(KERNELS[name][0]),
        key=_LIBRARY,
        on_change=taken,
        max_selections=4,
        placeholder=_("Your own numbers"),
        width=210,
        help=_("Several kernels make several maps. Any number of a kernel can be changed below, too."),
    )


def _number(name: str) -> None:
    _usual, low, high = state.NUMBERS[name]
    key = state.key(name)
    begun = getattr(state.preset().sliding, name)
    st.number_input(
        _(TITLES[name]), low, high, step=1, help=_(HELP[name]), width=92, **form_fields.number(key, begun, low, high)
    )


def _flip() -> None:
    key = state.key("flipped")
    st.toggle(
        _("Flip the kernel"),
        help=_(
            "Mathematics' convolution turns the kernel by 180 degrees, as scipy.signal.convolve2d does. torch's conv2d "
            "does not: it is a correlation."
        ),
        **form_fields.kept(key).entry(key, state.preset().sliding.flipped, lambda text: text == "True"),
    )


def _mode() -> None:
    from core.lessons.convolution import MODES

    form_fields.choice(_("The margin holds"), MODES, state.key("mode"), default=state.preset().sliding.mode, wrap=True)


def _typed(bench: Bench) -> None:
    """Draws picture and kernels as text: to paste, to resize, to add a channel."""
    from core.lessons.numbers import read_grids, write_grids

    for key, label, grids in (
        (_TEXT_X, _("Picture as text"), bench.picture[None]),
        (_TEXT_K, _("Kernels as text"), bench.kernels),
    ):
        text = write_grids(grids).replace(";", "\n").replace("|", "\n\n").replace("/", "\n/\n")
        if key not in st.session_state or st.session_state.get(f"{key}-was") != text:
            st.session_state[key] = st.session_state[f"{key}-was"] = text
        else:
            address.keep(key)
        st.text_area(
            label,
            key=key,
            height=110,
            help=_("A row a line; an empty line between channels, / between kernels; or a list as in Python."),
        )
    if clicks.button(_("Take these numbers"), key="bl-learn-take"):
        try:
            picture = read_grids(st.session_state[_TEXT_X], most=state.PICTURE_MOST, what=N_("The picture"))[0]
            kernels = read_grids(st.session_state[_TEXT_K], most=state.KERNELS_MOST, what=N_("The kernel"))
        except InputError as error:
            broken(_("This cannot be read"), translate_error(error), icon="report", tone="warn")
            return
        state.put(picture, kernels)
        st.rerun(scope="fragment")
