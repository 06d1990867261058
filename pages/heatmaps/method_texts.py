"""What the Heatmaps page says of methods: how to read their maps, and who carries them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pages.ui.text.i18n import N_

if TYPE_CHECKING:
    from core.interpret.attribution.method import Method

_READINGS = {
    "cam": N_(
        "A deep layer still has the picture's layout, only coarser. The method asks of each place in it how much "
        "it raises the class's score, and draws the answer over the picture."
    ),
    "gradient": N_(
        "The class's score is traced back to single pixels. Such maps are fine-grained and noisy; read them for "
        "places, not for outlines."
    ),
    "perturbation": N_(
        "Nothing is looked up inside the network: parts of the picture are hidden in turn, and where the class's "
        "score falls, something mattered. What hides them, plain grey, is itself a choice."
    ),
    "relevance": N_(
        "The score is handed back from layer to layer, each sharing what it got among its inputs, until every pixel "
        "holds its share; all shares together make the score."
    ),
    "attention": N_(
        "A Vision Transformer's patches look at one another in every layer. The method multiplies these looks, from "
        "the last layer back to the patches of the picture."
    ),
    "baseline": N_(
        "This is no explanation: it is what a map looks like that knows nothing of the class. A method that does not "
        "look different from it, or scores no better, has not explained anything."
    ),
}
CONTRAST = N_(
    "With a second class the map answers another question: the evidence for the first rather than for the second. "
    "It is about the difference of the two scores."
)

SERVED = {"captum": N_("Carried out by the library captum."), "own": N_("Carried out by this app's own code.")}
"""Whose code carries a method out."""


def reading(row: Method) -> str:
    """Returns how to read a method's maps, untranslated."""
    return _READINGS[row.family]
