"""Activations, softmax, entropy and cross-entropy: from scores to a loss, and what comes back."""

from __future__ import annotations

from pages.learn.lesson import Lesson, Question, Why
from pages.learn.number_grid import written
from pages.learn.scores import bench, own_scores
from pages.ui.text.i18n import N_, _


def _ask() -> Question:
    import torch

    from core.lessons.scores import scores

    logits = torch.tensor(bench.FIRST)
    before, after = scores(logits, 0), scores(logits + 5, 0)
    same = torch.allclose(before.probabilities, after.probabilities)
    return Question(
        _("A network gives three classes the logits 2, 1 and −1. What happens to its probabilities if all get 5 more?"),
        {
            "same": _("Nothing: they stay as they are"),
            "first": _("The first class gains"),
            "even": _("They come closer together"),
        },
        "same" if same else "first",
        _(
            "The first stays at {p}: each exponential grows by the same factor, which the sum takes out again. Only "
            "differences of logits count."
        ).format(p=written(float(after.probabilities[0]), 4)),
        {
            "first": _("It would, if the logits were multiplied: that is what the temperature does."),
            "even": _("A higher temperature does that: it divides the logits."),
        },
    )


def _why() -> Why:
    return Why(
        _(
            "Softmax makes scores into shares. Cross-entropy asks how likely the network held what is right, and takes "
            "the logarithm: −ln 0.25 is 1.386. The gradient with respect to the logits is what it said less what "
            "was wanted, p − y, which is why the two are used together: it never vanishes while the answer is wrong. "
            "Entropy is the surprise to be expected: a fair coin has 1 bit, one of 1 to 3 has 0.811."
        ),
        r"p_k=\frac{e^{z_k/T}}{\sum_j e^{z_j/T}},\quad H=-\sum_k p_k\log p_k,\quad L=-\sum_k y_k\ln p_k,\quad"
        r"\frac{\partial L}{\partial z_k}=\frac{p_k-y_k}{T}",
        ("Goodfellow, Bengio and Courville 2016, Deep Learning, 3.13 and 6.2", "https://www.deeplearningbook.org"),
    )


LESSON = Lesson(
    "cross-entropy",
    N_("Softmax and cross-entropy"),
    N_("How do scores become probabilities, and a loss?"),
    7,
    "balance",
    _ask,
    bench.draw,
    _why,
    (
        ("train", N_("Train: the loss, label smoothing and class weights of a recipe")),
        ("evaluate", N_("Evaluate: calibration before and after a temperature")),
    ),
    own=own_scores.draw,
)
