"""Convolution on numbers: a window, products, a sum; the same in any layer of one's own network."""

from __future__ import annotations

from pages.learn.convolution import bench, own_layer, pose
from pages.learn.lesson import Lesson, Question, Why
from pages.ui.text.i18n import N_, _


def _ask() -> Question:
    from core.lessons.convolution import convolve
    from core.lessons.kernels import PRESETS
    from core.lessons.numbers import read_grids

    line = PRESETS["line"]
    kernels = read_grids(line.kernels, most=(1, 1, 3, 3))
    done = convolve(read_grids(line.picture, most=(1, 1, 5, 5))[0], kernels, line.sliding)
    row = done.output[0, 2].tolist()
    lines = sum(value != 0 for value in row)
    values = ", ".join(f"{value:.0f}".replace("-", "\N{MINUS SIGN}") for value in row)
    return Question(
        _("A picture has one bright line. How many lines does the kernel answer with?"),
        {
            "0": _("None: it cancels out"),
            "1": _("One, where the line is"),
            "2": _("Two, beside the line"),
            "3": _("Three: on the line and on both sides of it"),
        },
        str(lines),
        _(
            "A row of the answer reads {values}. The window meets the line from the left, from above and the right."
        ).format(values=values),
        {
            "0": _("It would, if every cell were equally bright: the weights add up to 0."),
            "1": _("The cells beside the line see it, too, with the weights at the window's side."),
            "2": _("On the line itself the weight of −8 answers, the strongest of all."),
        },
    )


def _why() -> Why:
    return Why(
        _(
            "A convolution asks the same question at every place: how much does what lies under the window look like "
            "the kernel? It multiplies cell by cell and adds up. Few weights are learned once and used everywhere, and "
            "a pattern that moves makes an answer that moves along. What frameworks call convolution is a correlation: "
            "mathematics' convolution flips the kernel first. As kernels are learned, that makes no difference to what "
            "a network can do, but all to a sum done by hand."
        ),
        r"y_{k,i,j}=b_k+\sum_{c}\sum_{u=0}^{h-1}\sum_{v=0}^{w-1}"
        r"x_{c,\;s\,i+d\,u-p,\;s\,j+d\,v-p}\;w_{k,c,u,v}",
        (
            "Dumoulin and Visin 2016, A guide to convolution arithmetic for deep learning",
            "https://arxiv.org/abs/1603.07285",
        ),
    )


LESSON = Lesson(
    "convolution",
    N_("Convolution on numbers"),
    N_("What does a kernel do to a picture, cell by cell?"),
    8,
    "grid_on",
    _ask,
    bench.draw,
    _why,
    (
        ("feature_maps", N_("Feature maps: what every kernel of your network answers")),
        ("filters", N_("Filters: the kernels that it has learned")),
    ),
    own=own_layer.draw,
    pose=pose.draw,
)
