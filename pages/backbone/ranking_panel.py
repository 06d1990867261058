"""Ranking backbones before training: choose some, watch, read the predicted order; later, predicted against reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.runs.store import ENDED, LIVE
from core.specs import DataSpec, ModelSpec
from pages.backbone import ranking_result
from pages.ui.kit import components
from pages.ui.kit.page_states import broken, guarded
from pages.ui.runs import job_progress
from pages.ui.runs import run_panel as runs_live
from pages.ui.session import choices
from pages.ui.text import display_names
from pages.ui.text.i18n import N_, _

CHOSEN = "chosen"
"""Stands for the chosen network in the list, whatever its weights."""
MAX_BACKBONES = 6
"""Backbones that are chosen to begin with, at most."""
DOING = {
    "queued": N_("Waiting for the device"),
    "loading libraries": N_("Loading PyTorch"),
    "reading images": N_("Reading the images"),
    "building the network": N_("Building the network"),
    "computing features": N_("Computing frozen features"),
    "comparing": N_("Comparing them with the labels"),
}


def draw(spec: ModelSpec, data: DataSpec) -> None:
    """Draws the ranking of backbones on the chosen images.

    Args:
        spec: The chosen network.
        data: The chosen images, with their full path.
    """
    components.section(
        _("Which backbone fits your images"),
        _("Ranked before any training, by what frozen features tell of the classes of the training images."),
    )
    _setup(spec, data)
    progress(data, alone=False)
    from core.workflows.jobs.ranking import latest

    found = latest(data, least=2)
    if found is None:
        components.note(_("The predicted order, with every score and the time it took, will stand here."))
        return
    ranking_result.draw(found, spec)


# --- starting and watching --------------------------------------------------------------------------------------------


def start(data: DataSpec, models: Sequence[ModelSpec], images: int) -> None:
    """Starts a ranking in a process of its own, with the device that trainings are set to."""
    from core.workflows.jobs import ranking
    from pages.ui.session import caches

    ranking.start(data, models, images=images, device=choices.train_choice().device, roots=caches.roots())


def live(data: DataSpec) -> Any:
    """Returns the newest job on these images while it is at work, else ``None``."""
    job = _newest(data)
    return job if job is not None and job.state in LIVE else None


def _newest(data: DataSpec) -> Any:
    from core.workflows.jobs.ranking import jobs

    return next(iter(jobs(data)), None)


def progress(data: DataSpec, *, alone: bool) -> None:
    """Draws the newest job on these images while it is at work, and how it ended where it found nothing.

    Args:
        data: The images.
        alone: Draw it if it looks at a single backbone (a measurement), else if it looks at several.
    """
    job = _newest(data)
    if job is None or (len(job.request.get("models", ())) == 1) != alone:
        return
    status = job.status()
    if status["state"] in LIVE:
        st.fragment(_panel, run_every=1.0)(job, alone)
    elif status["state"] == "failed":
        broken(_("This ranking failed"), runs_live.message(status))
    elif status["state"] == "interrupted":
        broken(
            _("This ranking was interrupted"),
            _("Its process ended without a word. Start it again."),
            icon="bolt",
            kept=_("What it had found until then is shown below.") if job.result and not alone else None,
            tone="warn",
        )
    elif alone:
        _left_out(job)


def _left_out(job: Any) -> None:
    """Says why the measured backbone could not be measured."""
    from core.workflows.jobs.ranking import result

    found = result(job)
    for row in found.rows if found is not None else ():
        if row.problem is not None:
            components.note(_(row.problem.template).format(**row.problem.values))


@guarded
def _panel(job: Any, alone: bool) -> None:
    status = job.status()
    if status["state"] in ENDED:
        st.rerun()
    doing = str(status.get("doing") or "queued")
    done, total = job_progress.counted(status)
    number, networks = int(status.get("number") or 0), int(status.get("networks") or 0)
    text = job_progress.words(status, DOING)
    if status.get("backbone") and doing != "queued":
        text = f"{display_names.backbone(str(status['backbone']))}: {text}"
    if doing in ("reading images", "computing features"):
        text += job_progress.images(status)
    if networks > 1:
        text += " · " + _("backbone {n} of {all}").format(n=min(number + 1, networks), all=networks)
    share = (number + (done / total if total else 0.0)) / networks if networks else 0.0
    job_progress.bar(job, status, text, key=f"bl-ranking-{int(alone)}", share=share)


def _setup(spec: ModelSpec, data: DataSpec) -> None:
    """Draws the choice of backbones and the button that starts."""
    from core.models.catalog.catalog import BACKBONES, weights_state

    plain = spec.weights == "default" and not spec.design and spec == ModelSpec(spec.backbone, head=spec.head)
    here = [name for name in BACKBONES if weights_state(name) == "available"]
    others = [name for name in BACKBONES if name not in here and weights_state(name) != "none"]
    options = [*([] if plain else [CHOSEN]), *here, *others]

    def label(name: str) -> str:
        if name == CHOSEN:
            return f"{display_names.backbone(spec.backbone)} · {display_names.weights(spec.weights)}"
        return BACKBONES[name].title + ("" if name in here else " · " + _("to be downloaded"))

    first = [*([] if plain else [CHOSEN]), *([spec.backbone] if plain else []), *here]
    default = [name for name in dict.fromkeys(first) if name in options][:MAX_BACKBONES]
    kept = [name for name in st.session_state.get("bl-ranking-names", default) if name in options]
    st.session_state["bl-ranking-names"] = kept or default
    with st.container(key="bl-wrapsmall-ranking"):
        left, right = st.columns([3, 1], vertical_alignment="bottom")
    picked = left.multiselect(
        _("Backbones to rank"),
        options,
        key="bl-ranking-names",
        format_func=label,
        persist_state="session",
        help=_("To begin with: those whose weights are on this machine. Others are downloaded when their turn comes."),
    )
    busy_ = live(data) is not None
    if right.button(
        _("Rank them"),
        icon=":material/leaderboard:",
        disabled=busy_ or not picked,
        key="bl-ranking-start",
        width="stretch",
        help=_("One pass of at most 1,000 training images through each; it goes on if you leave."),
    ):
        from core.workflows.advisor.ranking import IMAGES

        start(data, [spec if name == CHOSEN else ModelSpec(name) for name in picked], IMAGES)
        st.rerun()
