"""Sizes and parameters: what a window leaves of a map, and what a layer costs."""

from __future__ import annotations

from pages.learn.lesson import Lesson, Question, Why
from pages.learn.sizes import chain, own_layer
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _


def _ask() -> Question:
    from core.lessons.sizes import CHAINS, follow, read_chain

    _title, shape, text = CHAINS["stride"]
    found = follow(shape, read_chain(text))
    numbers = {str(layer.parameters): layer for layer in found if layer.parameters}
    most = max(found, key=lambda layer: layer.parameters)
    titles = [_("The first convolution"), _("The second convolution"), _("The linear layer")]
    places = [layer for layer in found if layer.parameters]
    return Question(
        _(
            "1 × 28 × 28 goes through two 3 × 3 convolutions with 32 channels and stride 2, then one linear layer to 5 "
            "classes. Which has most parameters?"
        ),
        {str(index): title for index, title in enumerate(titles)},
        str(places.index(most)),
        _("{counts}: a convolution pays for channels in times channels out, wherever it slides.").format(
            counts=", ".join(number_format.exact(int(number)) for number in numbers)
        ),
        {
            "0": _("It sees a single channel: 3 · 3 · 1 · 32 weights and 32 biases."),
            "2": _("It is the largest where maps are large; here only 7 × 7 × 32 values are left."),
        },
    )


def _why() -> Why:
    return Why(
        _(
            "A window of k cells finds room at h + 2p − k + 1 places, of which every s-th is taken; what does not fit "
            "at the end is left out, so that two sizes can give the same. A transposed convolution goes the other way "
            "and cannot know which of them it was. Parameters do not depend on the picture, but for linear layers "
            "behind flatten, which is why most of VGG's are in its first."
        ),
        r"h'=\left\lfloor\frac{h+2p-d(k-1)-1}{s}\right\rfloor+1,\qquad h'_{\text{transposed}}=(h-1)s-2p+k,\qquad"
        r"P=k^2\,c_{\text{in}}\,c_{\text{out}}+c_{\text{out}}",
        (
            "Dumoulin and Visin 2016, A guide to convolution arithmetic for deep learning",
            "https://arxiv.org/abs/1603.07285",
        ),
    )


LESSON = Lesson(
    "sizes",
    N_("Sizes and parameters"),
    N_("How large is what leaves a layer, and what does it cost?"),
    8,
    "straighten",
    _ask,
    chain.draw,
    _why,
    (
        ("anatomy", N_("Anatomy: every layer of your network with its arithmetic")),
        ("backbone", N_("Backbone: build a network of your own, with every size and count")),
    ),
    own=own_layer.draw,
)
