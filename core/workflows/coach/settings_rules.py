"""Slips that can be seen in a run's settings, whatever its curves say. Each rule looks for one of them.

Early stopping that watches the training images is among :mod:`health_rules <core.workflows.coach.health_rules>`.
"""

from __future__ import annotations

from itertools import pairwise

from core.data.folders.split_names import split_of
from core.messages import N_, Sentence
from core.specs import Experiment, FreezePlan, Phase
from core.workflows.findings import Finding, RunEvidence, figure, percent

FEW_PICTURES = 30
"""Pictures below which one of them is more than 3 % of the accuracy, and worth a word."""


def judge_settings(run: RunEvidence) -> list[Finding]:
    """Returns a finding for each slip in a run's settings."""
    return [finding for rule in RULES if (finding := rule(run)) is not None]


def plateau_too_patient(run: RunEvidence) -> Finding | None:
    """Early stopping ends a phase before a plateau of the same figure can lower the rate."""
    early = run.experiment.training.early
    for number, phase in enumerate(run.experiment.training.phases, start=1):
        schedule = phase.schedule
        if early is None or schedule.name != "plateau" or schedule.metric != early.metric:
            continue
        if early.patience <= schedule.patience + 1:
            return Finding(
                "plateau-too-patient",
                "warn",
                Sentence("The plateau can never lower the rate: early stopping ends the phase before it.", {}),
                Sentence(
                    "In phase {number} the rate falls after {plateau} epochs without progress; the phase ends after "
                    "{early}.",
                    {"number": number, "plateau": schedule.patience + 1, "early": early.patience},
                ),
                Sentence(
                    "Let early stopping wait longer than the plateau, for example {epochs} epochs.",
                    {"epochs": 2 * (schedule.patience + 1)},
                ),
            )
    return None


def rate_kept(run: RunEvidence) -> Finding | None:
    """When pretrained layers join in, their rate is no lower than that of the new head before."""
    experiment, phases = run.experiment, run.experiment.training.phases
    if experiment.model.weights == "none":
        return None
    for number, (before, after) in enumerate(pairwise(phases), start=2):
        joined = _backbone(experiment, after) and not _backbone(experiment, before)
        rate = after.lr * after.backbone_factor
        if joined and after.optimizer == before.optimizer and rate >= before.lr:
            return Finding(
                "rate-kept",
                "warn",
                Sentence("Pretrained layers join in at a rate that is as high as the new head's was.", {}),
                Sentence(
                    "The head began at {before}; in phase {number} the layers that are freed learn at {after}.",
                    {"before": figure(before.lr), "number": number, "after": figure(rate)},
                ),
                Sentence(
                    "Lower the rate when layers are freed, to {rate} or less: large steps wreck what they know.",
                    {"rate": figure(before.lr / 10)},
                ),
            )
    return None


def _backbone(experiment: Experiment, phase: Phase) -> bool:
    """Tells whether anything but the head learns in a phase."""
    plan: FreezePlan = experiment.plan(phase)
    return bool(plan.trainable_stages or plan.thaw)


def validates_on_test(run: RunEvidence) -> Finding | None:
    """Validation pictures lie in a folder that is called a test."""
    held = [key for key, split in run.splits.items() if split == "val"]
    astray = [key for key in held if "test" in {split_of(part) for part in key.split("/")[:-2]}]
    if not astray:
        return None
    return Finding(
        "validates-on-test",
        "warn",
        Sentence("Validation pictures come from the test folder, so nothing is left to judge the network by.", {}),
        Sentence("{n} of {all} lie there, such as {first}.", {"n": len(astray), "all": len(held), "first": astray[0]}),
        Sentence("Validate on a share of the training pictures, and touch the test once, at the end.", {}),
    )


def few_pictures(run: RunEvidence) -> Finding | None:
    """So few pictures judge the run that its accuracy moves in visible steps."""
    judged = [(run.images(split), split) for split in ("test", "val") if run.images(split)]
    count, split = min(judged, default=(FEW_PICTURES, ""))
    if count >= FEW_PICTURES or not run.rows:
        return None
    template = (
        N_(
            "There are {n} test pictures: their accuracy goes in steps of {step}, and no figure between two steps can "
            "come from them."
        )
        if split == "test"
        else N_(
            "There are {n} validation pictures: their accuracy goes in steps of {step}, and no figure between two "
            "steps can come from them."
        )
    )
    return Finding(
        "few-pictures",
        "warn",
        Sentence("Few pictures judge this run: one more or less is seen in its accuracy.", {}),
        Sentence(template, {"n": count, "step": percent(1 / count)}),
        Sentence("Compare runs by their intervals, and take differences of one or two pictures for chance.", {}),
    )


RULES = (plateau_too_patient, rate_kept, validates_on_test, few_pictures)
