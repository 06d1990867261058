"""What a training will need, shown before it is launched: memory at once, time once the network was measured here.

For the pages Anatomy and Train: :func:`draw` with the experiment as it stands, below the freeze plan or in the summary.
Memory follows every click; so does the time, as soon as one measurement of the network was made on this machine.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import InputError
from core.runs.store import ENDED, LIVE
from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, TrainingSpec
from pages.ui import components, figures
from pages.ui.components import Figure
from pages.ui.faces import broken, guarded
from pages.ui.i18n import _, _n, translate_error

TIGHT = 1.5
"""On the CPU a process holds up to so many times what its tensors need: kernels' own room, and gaps between blocks."""


def draw(experiment: Experiment, classes: int, counts: dict[str, int], *, key: str) -> None:
    """Draws the estimated memory and time of an experiment, and lets the network be measured here.

    Args:
        experiment: Network, phases, freeze plan, batch size, augmentation and device as they stand; see
            :func:`for_plan` where there is no more than a network and a plan. Its data need not exist.
        classes: Number of classes.
        counts: Number of images by split: ``train``, ``val`` and, where there are any, ``test``.
        key: Stable start of the widgets' keys, other for every place.
    """
    job = _job(experiment)
    busy = job is not None and job.state in LIVE
    st.fragment(_panel, run_every=1.0 if busy else None)(experiment, classes, counts, key, busy)


def for_plan(spec: ModelSpec, plan: FreezePlan, *, batch_size: int = 32, epochs: int = 8) -> Experiment:
    """Returns the experiment that trains ``plan`` with everything else as it usually is."""
    from core.training.recipes import make_recipe

    phases = make_recipe("full", epochs=epochs).phases
    return Experiment(DataSpec("any"), spec, TrainingSpec("full", phases, batch_size=batch_size), freeze=plan)


@guarded
def _panel(experiment: Experiment, classes: int, counts: dict[str, int], key: str, was_busy: bool) -> None:
    from core.device import memory_free, resolve_device
    from core.lab.profile import estimate_here
    from core.training.estimate import Counts

    job = _job(experiment)
    busy = job is not None and job.state in LIVE
    if was_busy and not busy:
        st.rerun()
    try:
        device = resolve_device(experiment.training.device)
        told = estimate_here(experiment, classes, Counts(counts["train"], counts["val"], counts.get("test", 0)))
    except InputError as error:
        broken(_("This cannot be estimated"), translate_error(error), icon="report", tone="warn")
        return
    components.metrics([_memory(told.memory, device), *_times(told)], compact=True)
    _warn(told.memory, device, memory_free(device))
    if told.seconds is None:
        _measuring(experiment, job, key)


def _memory(memory: Any, device: Any) -> Figure:
    from core.device import list_devices

    known = next((row for row in list_devices() if row.id == str(device)), None)
    parts = [
        (_("parameters"), memory.parameters),
        (_("gradients"), memory.gradients),
        (_("optimizer"), memory.optimizer),
        (_("activations"), memory.activations),
        (_("workspace"), memory.workspace),
        (_("features"), memory.features),
    ]
    if device.type == "cpu":
        parts.append((_("decoded images"), memory.images))
    total = sum(size for _name, size in parts)
    return Figure(
        _("Memory"),
        _("about {size}").format(size=figures.size(total)),
        _("of {size}").format(size=figures.size(known.memory)) if known else "",
        ", ".join(f"{name} {figures.size(size)}" for name, size in parts if size),
    )


def _times(told: Any) -> list[Figure]:
    if told.seconds is None:
        return [Figure(_("Time"), figures.DASH, _("not measured here yet"))]
    longest = max(told.phases, key=lambda phase: phase.seconds or 0.0)
    step = _("{time} a step, in {precision}").format(
        time=figures.duration(longest.step_seconds), precision=longest.precision
    )
    if longest.cached:
        step = _("{time} once for the features, then {epoch} an epoch").format(
            time=figures.duration(longest.once_seconds), epoch=figures.duration(longest.epoch_seconds)
        )
    epochs = sum(phase.epochs for phase in told.phases)
    return [
        Figure(_("Time an epoch"), _("about {time}").format(time=figures.duration(told.epoch_seconds)), help=step),
        Figure(
            _("Time in all"),
            _("about {time}").format(time=figures.duration(told.seconds)),
            _n("{n} epoch", "{n} epochs", epochs).format(n=epochs),
            _("Opening the images, training, validating and judging, on a machine that nobody else uses."),
        ),
    ]


def _warn(memory: Any, device: Any, free: int) -> None:
    needed = memory.step if device.type != "cpu" else TIGHT * memory.step + memory.images
    if needed > free:
        broken(
            _("This may not fit into the memory"),
            _("It needs about {needed}, and {free} is free. Choose a smaller batch or image size, or freeze more.")
            .format(needed=figures.size(needed), free=figures.size(free)),
            icon="memory", tone="warn",
        )  # fmt: skip


def _measuring(experiment: Experiment, job: Any, key: str) -> None:
    """Draws the button that measures the network, its progress and how it ended."""
    from core.lab import profile

    spec, device = experiment.model, experiment.training.device
    status = job.status() if job is not None else {"state": ""}
    if status["state"] in LIVE:
        done, total = int(status.get("done") or 0), int(status.get("total") or 0)
        with st.container(horizontal=True, vertical_alignment="center", key=f"bl-wrapsmall-{key}"):
            st.progress(done / total if total else 0.0, text=_("Measuring this network here …"))
            if st.button(_("Cancel"), icon=":material/close:", key=f"{key}-cancel"):
                job.request_stop()
                st.rerun()
        return
    if status["state"] == "failed" and status.get("message_template"):
        error = InputError(str(status["message_template"]), **status.get("message_values", {}))
        broken(_("The measurement failed"), translate_error(error), icon="report", tone="warn")
    elif status["state"] in ENDED and status["state"] not in ("finished", "stopped"):
        broken(_("The measurement was interrupted"), _("Start it again."), icon="report", tone="warn")
    if st.button(
        _("Measure the time here"), icon=":material/timer:", key=f"{key}-measure",
        help=_("Times a few passes of this network, once for this machine; every freeze plan follows from it."),
    ):  # fmt: skip
        profile.start(spec, device)
        st.rerun()


def _job(experiment: Experiment) -> Any:
    from core.lab.profile import latest

    try:
        return latest(experiment.model, experiment.training.device)
    except InputError:
        return None
