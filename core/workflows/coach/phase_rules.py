"""What each phase of a run brought: whether the weights that are kept come from it, or from before it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.messages import N_, Sentence
from core.workflows.findings import RECENT, Finding, RunEvidence, figure, percent

LOWER = 3
"""What a rate is divided by where a phase made validation worse."""


def judge_phases(run: RunEvidence) -> list[Finding]:
    """Returns a finding for each phase after the first that has ended or gone on for a few epochs.

    A phase helped if the best epoch, by the figure that decides which weights are kept, lies in it. One that did not
    and after which nothing better came was trained in vain: its weights are thrown away.
    """
    phases = np.nan_to_num(run.column("phase_index")).astype(int)
    scores = _scores(run)
    found = []
    for phase in sorted(set(phases.tolist()))[1:]:
        inside, before = phases == phase, phases < phase
        ended = not run.live or bool(phases[-1] > phase)
        if not ended and inside.sum() < RECENT:
            continue
        best = _best(scores, np.ones(len(scores), bool))
        earlier, own = _best(scores, before), _best(scores, inside)
        if best is None or earlier is None or own is None:
            continue
        if best == earlier:
            found.append(_in_vain(run, phase, earlier, own, inside, ended=ended))
        elif best == own:
            found.append(_helped(run, phase, earlier, own))
    return found


def _scores(run: RunEvidence) -> list[tuple[float, float]]:
    """Returns what decides between epochs: the figure by which the best is chosen, then the validation loss."""
    metric = run.experiment.training.best
    sign = -1.0 if metric.endswith("loss") else 1.0
    return list(zip(sign * run.column(metric), -run.column("val_loss"), strict=True))


def _best(scores: list[tuple[float, float]], where: NDArray[np.bool_]) -> int | None:
    """Returns the place of the best epoch among some; of equal ones the first."""
    places = [place for place in np.flatnonzero(where).tolist() if np.isfinite(scores[place][0])]
    return max(places, key=lambda place: (scores[place], -place), default=None)


def _in_vain(
    run: RunEvidence, phase: int, earlier: int, own: int, inside: NDArray[np.bool_], *, ended: bool
) -> Finding:
    first, last = np.flatnonzero(inside)[[0, -1]].tolist()
    fell = _scores(run)[first] < _scores(run)[earlier]
    rate = {"number": phase + 1, "rate": figure(_rate(run, phase) / LOWER)}
    if fell:
        advice = N_("Lower its rate: {rate} may do. Or let fewer parts learn in it.")
    else:
        advice = N_("Leave it out, or let more parts learn in it: as it was, there was nothing more to gain.")
    if not ended:
        advice = N_("Lower its rate now, while it runs, or stop and keep the best weights.")
    sentence = (
        N_("Phase {number} did not help; the best weights are from before it.")
        if ended
        else N_("Phase {number} has not helped so far; the best weights are from before it.")
    )
    return Finding(
        f"phase-{phase + 1}-in-vain",
        "warn",
        Sentence(sentence, {"number": phase + 1}),
        Sentence(
            "Validation accuracy {before} in epoch {epoch}, before it; in it {first} after its first epoch, {best} at "
            "best and {last} in the end. Validation loss {loss_before}, then {loss_first} and {loss_last}.",
            {
                "epoch": int(run.rows[earlier]["epoch"]),
                "before": _percent(run, earlier),
                "first": _percent(run, first),
                "best": _percent(run, own),
                "last": _percent(run, last),
                "loss_before": figure(float(run.column("val_loss")[earlier])),
                "loss_first": figure(float(run.column("val_loss")[first])),
                "loss_last": figure(float(run.column("val_loss")[last])),
            },
        ),
        Sentence(advice, rate),
    )


def _helped(run: RunEvidence, phase: int, earlier: int, own: int) -> Finding:
    return Finding(
        f"phase-{phase + 1}-helped",
        "good",
        Sentence("Phase {number} helped: the best weights are from it.", {"number": phase + 1}),
        Sentence(
            "Validation accuracy {before} before it, {best} in epoch {epoch}; validation loss {loss_before}, then "
            "{loss}.",
            {
                "before": _percent(run, earlier),
                "best": _percent(run, own),
                "epoch": int(run.rows[own]["epoch"]),
                "loss_before": figure(float(run.column("val_loss")[earlier])),
                "loss": figure(float(run.column("val_loss")[own])),
            },
        ),
        Sentence("Let it go on.", {}) if run.live else Sentence("Judge it on images that it has never seen.", {}),
    )


def _rate(run: RunEvidence, phase: int) -> float:
    phases = run.experiment.training.phases
    return phases[min(phase, len(phases) - 1)].lr


def _percent(run: RunEvidence, place: int) -> str:
    """Returns an epoch's validation accuracy."""
    return percent(float(run.column("val_accuracy")[place]))
