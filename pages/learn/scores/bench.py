"""Logits by sliders: exponentials, probabilities, entropy, the loss and its gradient, class by class."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from pages.learn.number_grid import written
from pages.learn.scores import activations
from pages.ui.kit import components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import guarded
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from core.lessons.scores import Scores

FIRST = (2.0, 1.0, -1.0)
LOW, HIGH = -12.0, 12.0
PARTS = {"scores": N_("Softmax and loss"), "activations": N_("Activations")}


def draw() -> None:
    """Draws it; a change of it draws nothing else of the page anew."""
    st.fragment(_bench)()


@guarded
def _bench() -> None:
    part = form_fields.choice(_("Part"), PARTS, "bl-learn-part", default="scores", label_visibility="collapsed")
    if part == "activations":
        activations.draw()
        return
    names = [_("Class {letter}").format(letter=letter) for letter in "ABC"]
    left, right = columns()
    with left:
        logits = [
            st.slider(
                _("Logit of {name}").format(name=name),
                LOW,
                HIGH,
                step=0.1,
                **form_fields.number(f"bl-learn-logit-{index}", FIRST[index], LOW, HIGH),
            )
            for index, name in enumerate(names)
        ]
        truth, settings = controls(names, 0)
    with right:
        answer([float(value) for value in logits], names, truth, settings)


def columns() -> list[st.delta_generator.DeltaGenerator]:
    """Returns two columns that stand under each other where there is no room beside."""
    with st.container(key="bl-wrap-learn-scores"):
        return list(st.columns([1, 1.6], gap="large"))


def controls(names: Sequence[str], truth: int) -> tuple[int, tuple[float, float, float]]:
    """Draws which class is right, and how the loss is made; returns both.

    Args:
        names: The classes.
        truth: The one to begin with.

    Returns:
        The right class, and temperature, label smoothing and the right class's weight.
    """
    key = f"bl-learn-truth-{len(names)}"
    options = [str(index) for index in range(len(names))]
    right = st.selectbox(
        _("The right class"),
        options,
        format_func=lambda index: names[int(index)],
        **form_fields.kept(key).widget(key, options, str(truth)),
    )
    with st.popover(_("Temperature, smoothing, weight"), icon=":material/tune:", key="bl-learn-scores-more"):
        temperature = st.slider(
            _("Temperature"), 0.1, 10.0, step=0.1, **form_fields.number("bl-learn-temperature", 1.0, 0.1, 10.0)
        )
        smoothing = st.slider(
            _("Label smoothing"), 0.0, 0.5, step=0.05, **form_fields.number("bl-learn-smoothing", 0.0, 0.0, 0.5)
        )
        weight = st.slider(
            _("Weight of the right class"), 0.1, 10.0, step=0.1, **form_fields.number("bl-learn-weight", 1.0, 0.1, 10.0)
        )
    return int(right), (float(temperature), float(smoothing), float(weight))


def answer(
    logits: Sequence[float],
    names: Sequence[str],
    truth: int,
    settings: tuple[float, float, float],
    shown: Sequence[int] | None = None,
) -> Scores:
    """Draws what becomes of logits; returns it.

    Args:
        logits: One a class.
        names: What the classes are called.
        truth: The right class.
        settings: Temperature, label smoothing and the right class's weight.
        shown: Which classes are drawn; all by default.
    """
    import torch

    from core.lessons.scores import scores

    temperature, smoothing, weight = settings
    found = scores(
        torch.tensor(list(logits), dtype=torch.float64),
        truth,
        temperature=temperature,
        smoothing=smoothing,
        weight=weight,
    )
    st.html(_rows(found, names, truth, list(shown) if shown is not None else list(range(len(names)))))
    share = float(found.probabilities[truth])
    components.metrics(
        [
            Figure(
                _("Loss"),
                written(found.loss),
                _("−ln {p}").format(p=written(share)) if settings == (1.0, 0.0, 1.0) else _("weighted cross-entropy"),
                help=_("Cross-entropy, in nats: how surprised the network is by the right class."),
            ),
            Figure(_("Entropy"), _("{n} bit").format(n=written(found.bits)), _("of what it says, whatever is right")),
            Figure(
                _("Sum of the gradient"),
                written(round(float(found.gradient.sum()), 12)),
                _("what one gains others lose"),
            ),
        ],
        compact=True,
    )
    if len(names) <= 4:
        parts = " + ".join(f"{written(float(value), 5)}" for value in found.exponentials)
        components.note(
            _("Exponentials, the largest set to 1: {parts} = {sum}; each over that sum is its probability.").format(
                parts=parts, sum=written(float(found.exponentials.sum()), 6)
            )
        )
    return found


def _rows(found: Scores, names: Sequence[str], truth: int, shown: list[int]) -> str:
    most = max(float(found.gradient.abs().max()), 1e-12)
    heads = (_("Class"), _("Logit z"), _("Probability p"), _("Wanted y"), _("Gradient dL/dz"))
    head = "".join(f"<th>{escape(word)}</th>" for word in heads)
    body = ""
    for place in shown:
        share, slope = float(found.probabilities[place]), float(found.gradient[place])
        side = "bl-below" if slope < 0 else ""
        body += (
            f'<tr class="{"bl-end" if place == truth else ""}"><td>{escape(names[place])}</td>'
            f"<td><bdi>{written(float(found.logits[place]))}</bdi></td>"
            f'<td><i class="bl-share" style="inline-size:{max(1.0, share * 100):.1f}%"></i>'
            f"<bdi>{written(share)}</bdi></td><td><bdi>{written(float(found.wanted[place]))}</bdi></td>"
            f'<td><i class="bl-slope {side}" style="inline-size:{max(1.0, 100 * abs(slope) / most):.1f}%"></i>'
            f"<bdi>{written(slope)}</bdi></td></tr>"
        )
    return (
        f'<div class="bl-wide"><table class="bl-ladder bl-scores"><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
        "</table></div>"
    )
