"""A layer's gradient on one's own network, checked by moving a weight a little to both sides."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.messages import Progress
from pages.learn import own_network
from pages.learn.number_grid import written
from pages.ui.kit import components
from pages.ui.kit.page_states import broken
from pages.ui.selection import background_work, subjects
from pages.ui.selection.subjects import Subject
from pages.ui.text import layer_names
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    from core.lessons.backward import Check

COUNT = 3


@own_network.on_subject
def draw(subject: Subject) -> None:
    """Draws the choice of network, picture and layer, and its steepest gradients."""
    from core.lessons.backward import checkable, gradient_check

    known = {layer.name for layer in subject.network.anatomy.layers}
    names = [name for name in checkable(subject.network) if name in known]
    if not names:
        subjects.callout(_("This network has no layer with a weight."))
        return
    layer = own_network.layer(subject, names, "bl-learn-check", default=names[-1])
    target = int(subject.probabilities().argmax())
    key = (*subject.key, layer, target)

    def made(progress: Progress) -> list[Check]:
        return gradient_check(subject.network, subject.input(), layer, target=target, count=COUNT, progress=progress)

    try:
        checks = background_work.by_itself(
            "learn-checks", key, made, label=_("Check the steepest {n} weights").format(n=COUNT), doing=_doing
        )
    except InputError as error:
        broken(_("This gradient cannot be checked"), translate_error(error), icon="report", tone="warn")
        return
    if checks is None:
        return
    called = layer_names.layer(subject.network.anatomy, layer)
    components.section(
        _("The steepest weights of {layer}").format(layer=called),
        _("The loss is the cross-entropy of {name}, the class that the network names.").format(
            name=subject.network.classes[target]
        ),
    )
    st.html(_table(checks))
    components.note(
        _(
            "The slope between two losses is the gradient, up to what the losses bend between them: the smaller the "
            "step, the closer, until the digits run out. Nothing of the network was changed: a copy was asked."
        )
    )


def _doing(done: int, total: int) -> str:
    return _("Going back once, and forward twice a weight, with 16 digits: {done} of {all} weights").format(
        done=done, all=total
    )


def _table(checks: list[Check]) -> str:
    heads = (
        _("Weight"),
        _("Its value"),
        _("Loss above, loss below"),
        _("Slope between them"),
        _("Gradient by autograd"),
    )
    body = "".join(
        f"<tr><td><bdi>[{',&nbsp;'.join(map(str, check.index))}]</bdi></td><td><bdi>{written(check.weight)}</bdi></td>"
        f"<td><bdi>{written(check.higher, 10)}, {written(check.lower, 10)}</bdi></td>"
        f"<td><bdi>{written(check.difference)}</bdi></td><td><bdi>{written(check.gradient)}</bdi></td></tr>"
        for check in checks
    )
    head = "".join(f"<th>{escape(word)}</th>" for word in heads)
    return f'<table class="bl-ladder"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
