"""How many images of which classes, and how they are divided."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from core.specs import DataSpec
from pages.data import division
from pages.data.classes import draw_chooser
from pages.data.samples import draw_samples
from pages.ui.kit import charts, components
from pages.ui.kit.components import Figure
from pages.ui.session import caches, choices
from pages.ui.text import number_format
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.data.dataset import Dataset


def draw(spec: DataSpec, dataset: Dataset) -> None:
    """Draws how many images there are of which classes, how they are divided, and some of them."""
    _figures(dataset)
    with st.container(key="bl-wrap-data"):
        chart, controls = st.columns([2.1, 1], gap="large")
    with controls:
        _shares(spec)
    with chart:
        _classes(dataset)
        draw_chooser(spec)
    draw_samples(spec, dataset)


def _figures(dataset: Dataset) -> None:
    counts = dataset.counts()
    parts = [(charts.split_label(name).lower(), sum(per_class.values())) for name, per_class in counts.items()]
    others = ", ".join(f"{number_format.exact(n)} {name}" for name, n in parts[1:])
    sizes = [sum(per_class[name] for per_class in counts.values()) for name in dataset.classes]
    components.metrics(
        [
            Figure(
                _("Images"),
                number_format.count(len(dataset)),
                dataset.licence and _("licence: {name}").format(name=dataset.licence),
                exact=number_format.exact(len(dataset)),
            ),
            Figure(
                _("Classes"),
                number_format.exact(len(dataset.classes)),
                _shown(dataset.classes),
                exact=", ".join(dataset.classes),
            ),
            Figure(_("Training") if parts[1:] else _("Not divided"), number_format.exact(parts[0][1]), others),
            Figure(
                _("Smallest class"),
                number_format.exact(min(sizes)),
                _("largest {n}").format(n=number_format.exact(max(sizes))),
            ),
        ]
    )


def _shown(names: tuple[str, ...], most: int = 4) -> str:
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")


def _classes(dataset: Dataset) -> None:
    """Draws the images of each class, and warns of classes too small to be divided."""
    from core.data.splits import split_warnings

    components.section(_("Images of each class"))
    counts = dataset.counts()
    sizes = {name: sum(per_class[name] for per_class in counts.values()) for name in dataset.classes}
    least, most = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
    alt = (
        _("Every class has {n} images.").format(n=number_format.exact(sizes[most]))
        if sizes[least] == sizes[most]
        else _("{most} has the most images ({a}), {least} the fewest ({b}).").format(
            most=most, a=number_format.exact(sizes[most]), least=least, b=number_format.exact(sizes[least])
        )
    )
    charts.show(charts.class_bars(counts), key="bl-classes", alt=alt)
    for sentence in split_warnings(dataset):
        st.warning(components.plain(_(sentence.template).format(**sentence.values)), icon=":material/warning:")


def _shares(spec: DataSpec) -> None:
    """Draws how the images are divided, with the shares to choose where they bring no split of their own."""
    components.section(_("Split"))
    listed = caches.listed(spec)
    own = {item.split for item in listed.items} if listed.presplit else set()
    whole = {"train", "val"} <= own
    changed = replace(spec, anew=_anew(spec)) if own else spec
    if whole and not spec.anew:
        components.note(_("These images bring their own split, and it is kept."))
        if "test" not in own:
            st.warning(
                _(
                    "They bring no test images. The validation images, which choose the best epoch, would also be the "
                    "judge, and flatter the result. Divide them anew to hold some out, or add a folder “test”."
                ),
                icon=":material/gavel:",
            )
    else:
        if own and not spec.anew:
            components.note(
                _("These images bring training and test folders; validation images are taken from training.")
            )
        choices.follow("bl-val-share", round(spec.val_share * 100))
        val = st.slider(
            _("Validation"),
            5,
            50,
            key="bl-val-share",
            step=5,
            format="%d %%",
            help=_("Held out from learning, looked at after each epoch to find the best one."),
        )
        changed = replace(changed, val_share=val / 100)
        if "test" not in own or spec.anew:
            choices.follow("bl-test-share", round(spec.test_share * 100))
            test = st.slider(
                _("Test"),
                0,
                40,
                key="bl-test-share",
                step=5,
                format="%d %%",
                help=_("Held out from everything, looked at once, at the end."),
            )
            changed = replace(changed, test_share=test / 100)
    with components.more("bl-data-more"):
        choices.follow("bl-data-seed", spec.seed)
        seed = st.number_input(_("Seed"), 0, 2**31, key="bl-data-seed", help=_("The same seed makes the same split."))
        choices.follow("bl-per-class", spec.images_per_class or 0)
        limit = st.number_input(
            _("Most images of a class (0: all)"),
            0,
            10**6,
            key="bl-per-class",
            step=10,
            help=_("Few images make a quick trial, and show what transfer is worth."),
        )
        changed = replace(changed, seed=int(seed), images_per_class=int(limit) or None)
        if not whole or spec.anew:
            changed = division.draw(changed)
    division.settle(spec, changed)
    division.write(spec, caches.divided(spec))


def _anew(spec: DataSpec) -> bool:
    """Draws the choice to set aside the division that the images bring."""
    choices.follow("bl-anew", spec.anew)
    return st.toggle(
        _("Divide them anew"),
        key="bl-anew",
        help=_(
            "Sets the folders' own division aside and deals all images out by these shares; equal files stay together."
        ),
    )
