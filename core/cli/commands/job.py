"""Verbs of work beside the runs: a job in the process that was started for it, and measuring a network."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from core.cli.common.helpers import gentle_stop, roots
from core.cli.common.output import Output, share, table
from core.errors import InputError
from core.runs.job_kinds import JOB_KINDS
from core.runs.jobs import Job
from core.specs import ModelSpec


def job(arguments: argparse.Namespace, output: Output) -> None:
    """Does a job whose folder a page made; all else is read from it."""
    from core.workflows.jobs.job_process import work

    made = Job(Path(arguments.folder).expanduser().absolute())
    if not made.exists or made.kind not in JOB_KINDS:
        raise InputError("There is no job in the folder {folder}.", folder=arguments.folder)
    with gentle_stop(lambda: made.stop_requested, made.request_stop):
        status = work(made, output.step, roots=roots(arguments))
    output.result({"job": str(made.path), "state": status.state}, [f"{status.state}: {made.path}"])


def leak_lab(arguments: argparse.Namespace, output: Output) -> None:
    """Divides the same pictures carelessly and carefully, and reports both accuracies."""
    from core.workflows.leak.experiment import run
    from core.workflows.leak.record import PROBES, LeakPlan
    from core.workflows.leak.verdict import findings

    usual = LeakPlan.usual(arguments.source)
    given = {
        "group_by": arguments.group_by,
        "copies": arguments.copies,
        "images": arguments.images,
        "divisions": arguments.divisions,
        "by_lot": None if arguments.labels is None else arguments.labels == "lot",
    }
    plan = replace(
        usual,
        augment=arguments.augment,
        seed=arguments.seed,
        **{name: value for name, value in given.items() if value is not None},
    )

    def progress(done: int, total: int) -> None:
        output.progress(f"looked at {done} of {total} pictures", passing=True)

    found = run(plan, device=arguments.device, roots=roots(arguments), progress=progress)
    rows = [
        (
            arm,
            *(
                f"{share(row.accuracy)} ({share(row.interval[0])} to {share(row.interval[1])})"
                for row in (rows[probe] for probe in PROBES)
            ),
            rows["nearest"].judged,
            share(found.found[arm]),
        )
        for arm, rows in found.measured.items()
    ]
    remarks = findings(found)
    names = ("id", "tone", "sentence", "evidence")
    lines = table(rows, ("division", "nearest picture (95 %)", "linear head", "judged", "relative is nearest"))
    lines += ["", f"divisions: {plan.divisions}", f"guessing: {share(found.chance)}"]
    lines += [f"{row.sentence} {row.evidence}" for row in remarks]
    record = found.as_record(pictures=False)
    record["findings"] = [{name: str(getattr(row, name)) for name in names} for row in remarks]
    output.result(record, lines)


def profile(arguments: argparse.Namespace, output: Output) -> int:
    """Measures how fast a network is here, so that trainings of it can be estimated."""
    from core.workflows.jobs.profile import profile_now

    def report(done: int, total: int) -> None:
        output.progress(f"measured {done} of {total} passes", passing=True)

    spec = ModelSpec(arguments.backbone, "none", image_size=arguments.image_size)
    found = profile_now(spec, arguments.device, progress=report)
    forward = {precision: 1 / sum(line.each for line in times["frozen"]) for precision, times in found.seconds.items()}
    lines = [f"{arguments.backbone} on {found.device}: measured; trainings of it can be estimated now"]
    lines += [f"{precision}: {speed:.1f} images a second through the network" for precision, speed in forward.items()]
    record = {"backbone": arguments.backbone, "forward_images_per_second": forward, "profile": found.to_dict()}
    output.result(record, lines)
    return 0
