"""Feature maps: each layer's activations for one picture, one layer large or all in one scroll; depth; side by side."""

from __future__ import annotations

from pages.feature_maps import all_layers_view, attention_view, compare_view, depth_view, layer_view
from pages.ui.kit import components, nav
from pages.ui.selection import subjects, user_images, view_strip
from pages.ui.selection.subjects import Subject
from pages.ui.session import address
from pages.ui.text.i18n import N_, _

VIEWS = {
    "layer": N_("One layer"),
    "all": N_("All layers"),
    "depth": N_("Depth"),
    "beside": N_("Side by side"),
    "attention": N_("Attention"),
}
VIEW = address.Bound("view")


def render() -> None:
    """Draws the page."""
    subjects.begin("feature_maps")
    subject = subjects.choose()
    if not isinstance(subject, Subject):
        return
    from core.interpret.features.activations import spatial_layers
    from core.runs import snapshots

    names = spatial_layers(subject.network.anatomy)
    if not names:
        subjects.callout(_("No layer of this network keeps the picture's layout, so there are no maps to show."))
        return
    view = _view(subject)
    if view == "layer":
        layer_view.draw(subject, names)
    elif view == "all":
        all_layers_view.draw(subject, all_layers_view.open_in_layer_view)
    elif view == "depth":
        depth_view.draw(subject)
    elif view == "beside":
        compare_view.draw(subject, names)
    else:
        attention_view.draw(subject)
    user_images.done_alone()  # also where there was nothing to do after all
    run = subject.target.run
    if run is not None and snapshots.epochs(run.path):
        nav.link("train", _("See them grow over the epochs"), icon=":material/timeline:", run=run.id)
    components.next_step("filters", _("See what the first layer looks for"), run=None if run is None else run.id)


def _view(subject: Subject) -> str:
    """Draws the choice of a view; why there is no attention is said to those who ask for it."""
    attends = bool(attention_view.names_of(subject))
    without = frozenset[str]() if attends else frozenset({"attention"})
    chosen = view_strip.choose(VIEWS, VIEW, "bl-maps-view", without=without)
    if not attends and VIEW.asked() == "attention":
        components.note(attention_view.why_not(subject))
    return chosen
