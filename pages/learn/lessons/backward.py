"""Forward and backward by hand: where each gradient comes from, and what the mean does to it."""

from __future__ import annotations

from pages.learn import number_grid
from pages.learn.backward import by_hand, own_layer
from pages.learn.lesson import Lesson, Question, Why
from pages.learn.number_grid import Grid
from pages.ui.text.i18n import N_, _


def _ask() -> Question:
    from core.lessons.backward import backward
    from core.lessons.numbers import read_grids

    picture, kernel = (read_grids(text, most=(1, 1, 3, 3))[0, 0] for text in (by_hand.X, by_hand.F))
    ones, mean = backward(picture, kernel), backward(picture, kernel, loss="mean")
    ratio = float(ones.to_kernel[0, 0] / mean.to_kernel[0, 0])
    return Question(
        _("The loss is the mean of the four answers, not their sum. What becomes of the gradient of each weight?"),
        {"1": _("It stays the same"), "4": _("A quarter of it is left"), "0.25": _("It becomes four times as large")},
        f"{ratio:g}",
        _(
            "Each answer is a quarter of the mean, so 1/4 comes from above where 1 came before. dL/dF begins with "
            "{mean} in place of {ones}."
        ).format(
            mean=number_grid.written(float(mean.to_kernel[0, 0])), ones=number_grid.written(float(ones.to_kernel[0, 0]))
        ),
        {
            "1": _("That is the slip of the notes: they put ones above and call the mean the loss."),
            "0.25": _("The other way round: a step of one answer moves the mean by a quarter of it."),
        },
    )


def _pose() -> None:
    from core.lessons.numbers import read_grids

    picture, kernel = (read_grids(text, most=(1, 1, 3, 3))[0, 0].tolist() for text in (by_hand.X, by_hand.F))
    number_grid.show(Grid(picture, "X"), "∗", Grid(kernel, "F"), "=", "O", "→", "L")


def _why() -> Why:
    return Why(
        _(
            "Each weight took part in every place of the window. A small change of it changes each answer by the pixel "
            "under it, and the loss by that times what comes from above; the places add up. So the gradient of the "
            "kernel is itself a correlation, of the picture with what comes from above. A pixel meets each weight that "
            "slid over it, so its gradient is the convolution of what comes from above with the kernel, flipped."
        ),
        r"\frac{\partial L}{\partial F_{u,v}}=\sum_{i,j}\frac{\partial L}{\partial O_{i,j}}\,X_{i+u,\,j+v}\qquad"
        r"\frac{\partial L}{\partial X_{a,b}}=\sum_{u,v}\frac{\partial L}{\partial O_{a-u,\,b-v}}\,F_{u,v}",
        ("Goodfellow, Bengio and Courville 2016, Deep Learning, 6.5 and 9.5", "https://www.deeplearningbook.org"),
    )


LESSON = Lesson(
    "backward",
    N_("Forward and backward by hand"),
    N_("Where does the gradient of a weight come from?"),
    7,
    "swap_horiz",
    _ask,
    by_hand.draw,
    _why,
    (
        ("train", N_("Train: the health of a run shows each stage's gradients")),
        ("heatmaps", N_("Heatmaps: gradients of a class with respect to a layer")),
    ),
    own=own_layer.draw,
    pose=_pose,
)
