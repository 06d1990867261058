"""What a plan costs before it is launched: memory of a step and time of an epoch, worked out beside the page.

Memory is found by rehearsing a step on tensors without contents, which can take seconds: a thread does it, once the
person has stopped changing the plan, and a fragment waits for it. Time needs the network to have been measured on this
machine; a process of its own does that when asked.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.runs.jobs import latest_job
from core.runs.launch import start_job
from core.runs.status import LIVE, JobStatus
from core.specs import Experiment, FreezePlan
from pages.ui.kit import clicks, components
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import broken, guarded
from pages.ui.plan import experiment_plan, freeze_plan
from pages.ui.runs import job_panel
from pages.ui.session import caches, choices
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from core.models.anatomy.records import Anatomy
    from core.training.estimate.estimate import Estimate
    from core.training.estimate.step_time import Profile
    from core.workflows.jobs.profile import ProfileRequest

DISPLAY = job_panel.JobDisplay(failed=N_("The measurement failed"), interrupted=N_("The measurement was interrupted"))

TIGHT = 1.5
"""On the CPU a process takes up to so many times what its tensors do: kernels' own room, and gaps between blocks."""
QUIET = 0.9
"""Seconds that a plan must stay the same before its memory is worked out."""
_ASKED = "bl.costs.asked"


def counts(anatomy: Anatomy, plan: FreezePlan) -> None:
    """Draws what learns and what it costs, in one row that keeps its place; it renews itself until all is known.

    Args:
        anatomy: The network's anatomy with the head for the data's classes.
        plan: What learns.
    """
    experiment = planned(anatomy)
    waiting = experiment is not None and _waits(experiment)
    st.fragment(_row, run_every=1.0 if waiting else None)(anatomy, plan, experiment, waiting)


def figures_before_launch(experiment: Experiment) -> float | None:
    """Draws the memory of a step and the time of an epoch of an experiment; they appear once they are known.

    Returns:
        Seconds that the whole training is expected to take; ``None`` where that is not known (yet).
    """
    experiment = replace(experiment, name="")
    found = _estimate(experiment, start=False)
    waiting = found is None or bool(_measuring(experiment))
    st.fragment(_pair, run_every=1.0 if waiting else None)(experiment, waiting)
    measure_button(experiment)
    return None if found is None or isinstance(found, InputError) else found.seconds


def _pair(experiment: Experiment, waiting: bool) -> None:
    found, measuring = _estimate(experiment, start=True), _measuring(experiment)
    components.metrics([_memory(found), _time(found, measuring)], compact=True)
    _warn(found, experiment)
    if waiting and found is not None and not measuring:
        st.rerun()


def _waits(experiment: Experiment) -> bool:
    return _estimate(experiment, start=False) is None or bool(_measuring(experiment))


def planned(anatomy: Anatomy) -> Experiment | None:
    """Returns the experiment that the choices so far make; ``None`` before data were chosen or if they do not fit."""
    if choices.data() is None:
        return None
    choice = choices.train_choice().own
    try:
        return replace(experiment_plan.experiment(choice, experiment_plan.recipe(choice, anatomy)), name="")
    except InputError:
        return None


@guarded
def _row(anatomy: Anatomy, plan: FreezePlan, experiment: Experiment | None, waiting: bool) -> None:
    if experiment is None:
        note = _("choose images first") if choices.data() is None else _("the plan does not fit yet")
        extra = (
            Figure(_("Memory of a step"), number_format.DASH, note),
            Figure(_("Time an epoch"), number_format.DASH, note),
        )
        freeze_plan.counts(anatomy, plan, extra)
        return
    found = _estimate(experiment, start=True)
    measuring = _measuring(experiment)
    freeze_plan.counts(anatomy, plan, (_memory(found), _time(found, measuring)))
    _warn(found, experiment)
    if waiting and found is not None and not measuring:
        st.rerun()


def measure_button(experiment: Experiment | None) -> None:
    """Draws the button that has the experiment's network measured here, where it has not been, or the one to cancel."""
    if experiment is None or _profile(experiment) is not None:
        return
    request = _request(experiment)
    job = latest_job(request)
    if job is not None and job.state in LIVE:
        job_panel.cancel(job, job.status(), key="bl-costs-cancel", label=_("Cancel measuring"), type="tertiary")
        return
    job_panel.ended(job, DISPLAY)
    if clicks.button(
        _("Measure its speed here"),
        icon=":material/speed:",
        key="bl-costs-measure",
        type="tertiary",
        help=_("Times a few steps of this network on this machine, in a process of its own; once is enough."),
    ):
        start_job(request)
        st.rerun()


def _warn(found: Estimate | InputError | None, experiment: Experiment) -> None:
    """Warns where a step needs more memory than is free now."""
    if found is None or isinstance(found, InputError):
        return
    from core.device import memory_free, resolve_device

    device = resolve_device(experiment.training.device)
    memory, free = found.memory, memory_free(device)
    needed = TIGHT * memory.step + memory.images if device.type == "cpu" else memory.step
    if needed > free:
        broken(
            _("This may not fit into the memory"),
            _(
                "Training takes up to {needed}, and {free} is free. Choose a smaller batch or images, or freeze more."
            ).format(needed=number_format.size(needed), free=number_format.size(free)),
            icon="memory",
            tone="warn",
        )


def _profile(experiment: Experiment) -> Profile | None:
    from core.workflows.jobs.profile import profile_known

    return profile_known(experiment.model, experiment.training.device)


def _request(experiment: Experiment) -> ProfileRequest:
    """Returns the request to measure the network."""
    from core.workflows.jobs.profile import profile_request

    return profile_request(experiment.model, experiment.training.device)


def _measuring(experiment: Experiment) -> JobStatus | None:
    """Returns the status of the process that measures the network; ``None`` where none does."""
    job = latest_job(_request(experiment))
    status = job.status() if job is not None else None
    return status if status and status.state in LIVE else None


def _estimate(experiment: Experiment, *, start: bool) -> Estimate | InputError | None:
    """Returns the estimate, or the error that forbids one; ``None`` while it is worked out.

    Args:
        experiment: What to estimate.
        start: Whether it may be begun, once the experiment has stayed the same for a while.
    """
    dataset = caches.divided(experiment.data)
    train, val, test = (len(dataset.positions(split)) for split in ("train", "val", "test"))
    numbers = (train, val, test, experiment.training.drawn([*dataset.counts()["train"].values()]))
    key = (experiment, len(dataset.classes), numbers, _profile(experiment) is not None)
    if caches.known("estimates", key, entries=64):
        return caches.remember("estimates", key, lambda: None, entries=64)
    asked, since = st.session_state.get(_ASKED, (None, 0.0))
    if asked != key:
        st.session_state[_ASKED] = (key, time.monotonic())
    elif start and time.monotonic() - since >= QUIET:
        caches.later("estimates", key, lambda: _work_out(experiment, len(dataset.classes), numbers), entries=64)
    return None


def _work_out(experiment: Experiment, classes: int, numbers: tuple[int, int, int, int]) -> Estimate | InputError:
    from core.training.estimate.estimate import Counts
    from core.workflows.jobs.profile import estimate_here

    try:
        return estimate_here(experiment, classes, Counts(*numbers))
    except InputError as error:
        return error


def _memory(found: Estimate | InputError | None) -> Figure:
    title = _("Memory of a step")
    if found is None:
        return Figure(title, "…", _("working it out"))
    if isinstance(found, InputError):
        return Figure(title, number_format.DASH, _("not to be had"), translate_error(found))
    memory = found.memory
    parts = (
        (_("parameters"), memory.parameters),
        (_("gradients"), memory.gradients),
        (_("optimizer"), memory.optimizer),
        (_("activations"), memory.activations),
        (_("workspace"), memory.workspace),
        (_("features"), memory.features),
    )
    text = ", ".join(f"{name} {number_format.size(size)}" for name, size in parts if size)
    return Figure(title, number_format.size(memory.step), _("without the libraries"), text)


def _time(found: Estimate | InputError | None, measuring: JobStatus | None) -> Figure:
    title = _("Time an epoch")
    if measuring:
        note = _("measuring, {done} of {total}").format(done=measuring.done, total=measuring.total)
        return Figure(title, "…", note if measuring.total else _("measuring"))
    if found is None:
        return Figure(title, "…", _("working it out"))
    seconds = None if isinstance(found, InputError) else found.epoch_seconds
    if isinstance(found, InputError) or seconds is None:
        return Figure(title, number_format.DASH, _("not measured here yet"))
    return Figure(
        title,
        number_format.duration(seconds),
        _("measured here"),
        _("{time} altogether").format(time=number_format.duration(found.seconds)) if found.seconds else "",
    )
