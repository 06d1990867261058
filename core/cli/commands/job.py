"""The verb that carries out a job in the process that was started for it."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.common.helpers import gentle_stop, roots
from core.cli.common.output import Output
from core.errors import InputError
from core.runs.job_kinds import JOB_KINDS
from core.runs.jobs import Job


def job(arguments: argparse.Namespace, output: Output) -> None:
    """Does a job whose folder a page made; all else is read from it."""
    from core.workflows.jobs.job_process import work

    made = Job(Path(arguments.folder).expanduser().absolute())
    if not made.exists or made.kind not in JOB_KINDS:
        raise InputError("There is no job in the folder {folder}.", folder=arguments.folder)
    with gentle_stop(lambda: made.stop_requested, made.request_stop):
        status = work(made, output.step, roots=roots(arguments))
    output.result({"job": str(made.path), "state": status.state}, [f"{status.state}: {made.path}"])
