"""Ranking backbones before training: choose some, watch, read the predicted order; later, predicted against reached."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.runs.jobs import Job, latest_job
from core.runs.launch import start_job
from core.runs.status import LIVE, JobStatus
from core.specs import DataSpec, ModelSpec
from core.workflows.advisor.ranking import IMAGES, Ranking
from core.workflows.jobs.ranking import RankingRequest, latest
from pages.backbone import ranking_result
from pages.ui.kit import clicks, components
from pages.ui.runs import job_panel
from pages.ui.session import address, caches, choices
from pages.ui.text import display_names
from pages.ui.text.i18n import N_, _

CHOSEN = "chosen"
"""Stands for the chosen network in the list, whatever its weights."""
MAX_BACKBONES = 6
"""Backbones that are chosen to begin with, at most."""
_NAMES = "bl-ranking-names"
RANKED = address.Bound("ranked", kept="bl.ranked")


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
    found = latest(data, least=2)
    if found is None:
        components.note(_("The predicted order, with every score and the time it took, will stand here."))
        return
    ranking_result.draw(found, spec)


# --- starting and watching --------------------------------------------------------------------------------------------


def start(data: DataSpec, models: Sequence[ModelSpec], images: int) -> None:
    """Starts a ranking in a process of its own, with the device that trainings are set to."""
    request = RankingRequest(data, tuple(models), images, choices.train_choice().device)
    start_job(request, roots=caches.roots())


def live(data: DataSpec) -> bool:
    """Returns whether the newest job on these images is at work."""
    job = latest_job(RankingRequest(data))
    return job is not None and job.state in LIVE


def progress(data: DataSpec, *, alone: bool) -> None:
    """Draws the newest job on these images while it is at work, and how it ended where it found nothing.

    Args:
        data: The images.
        alone: Draw it if it looks at a single backbone (a measurement), else if it looks at several.
    """
    job = latest_job(RankingRequest(data))
    if job is None or (len(job.request.get("models", ())) == 1) != alone:
        return
    kept = _("What it had found until then is shown below.") if job.result and not alone else None
    if not job_panel.draw(job, DISPLAY, key=f"bl-ranking-{int(alone)}", kept=kept) and alone:
        _left_out(job)


def _progress(status: JobStatus, text: str) -> str:
    if status.backbone:
        text = f"{display_names.backbone(status.backbone)}: {text}"
    text = job_panel.images_done(status, text)
    if status.networks > 1:
        place = min(status.number + 1, status.networks)
        text += " · " + _("backbone {n} of {all}").format(n=place, all=status.networks)
    return text


def _share(status: JobStatus) -> float:
    return (status.number + job_panel.share_done(status)) / status.networks if status.networks else 0.0


DISPLAY = job_panel.JobDisplay(
    failed=N_("This ranking failed"),
    interrupted=N_("This ranking was interrupted"),
    doing={"comparing": N_("Comparing them with the labels")},
    progress=_progress,
    share=_share,
)


def _left_out(job: Job) -> None:
    """Says why the measured backbone could not be measured."""
    found: Ranking | None = job_panel.result(job)
    for row in found.rows if found is not None else ():
        if row.problem is not None:
            components.note(_(row.problem.template).format(**row.problem.values))


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
    named = RANKED.asked()
    if named:
        address.write(**{RANKED.param: named})
    st.session_state[_NAMES] = [name for name in (named or "").split(",") if name in options] or default
    with st.container(key="bl-wrapsmall-ranking"):
        left, right = st.columns([3, 1], vertical_alignment="bottom")
    picked = left.multiselect(
        _("Backbones to rank"),
        options,
        key=_NAMES,
        format_func=label,
        on_change=lambda: RANKED.choose(",".join(st.session_state[_NAMES])),
        help=_("To begin with: those whose weights are on this machine. Others are downloaded when their turn comes."),
    )
    if clicks.button(
        _("Rank them"),
        icon=":material/leaderboard:",
        disabled=live(data) or not picked,
        key="bl-ranking-start",
        width="stretch",
        help=_("One pass of at most 1,000 training images through each; it goes on if you leave."),
        into=right,
    ):
        start(data, [spec if name == CHOSEN else ModelSpec(name) for name in picked], IMAGES)
        st.rerun()
