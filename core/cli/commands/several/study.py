"""The verb that trains a study: a design over settings as one object; that tells of one, lists them, or goes on."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

from core.cli.common.helpers import gentle_stop, roots, user
from core.cli.common.output import Output, share, table
from core.cli.common.training_options import given
from core.errors import InputError
from core.runs.jobs import Job, JobStore
from core.runs.launch import restart_job
from core.runs.status import LIVE
from core.specs import DataSpec
from core.specs.checks import one_of
from core.specs.study import Factor, Study
from core.workflows.studies import members as studies
from core.workflows.studies.analysis import LOW_IS_GOOD, MEASURES, Analysis, Row, analyse, written
from core.workflows.studies.fields import full_name
from core.workflows.studies.ready import find as find_ready

POLL_SECONDS = 0.5
_DESIGN = ("grid", "range", "sampling", "samples", "folds", "pruner", "experiment", "recipe")
"""What says what is trained, but for the words of one training."""


def study(arguments: argparse.Namespace, output: Output) -> int:
    """Starts a study and waits for it; or reports one, goes on with one, or lists them."""
    if arguments.list:
        return _list(arguments, output)
    if arguments.measure is not None:
        one_of("measure", arguments.measure, MEASURES)
    known = arguments.status or arguments.resume
    if known:
        _nothing_beside(arguments, "--status" if arguments.status else "--resume")
        job = studies.find(known, arguments.runs_dir)
        if arguments.status:
            return _report(job, output, arguments.measure)
        restart_job(job, roots=roots(arguments))
    else:
        job = studies.start(
            _given_study(arguments),
            arguments.runs_dir,
            adopts=arguments.adopt or "",
            roots=roots(arguments),
            owner=user(),
        )
    output.progress(f"study {job.id}: {studies.planned(job)} runs")
    if not arguments.background:
        wait_for(job, output)
    return _report(job, output, arguments.measure)


def _given_study(arguments: argparse.Namespace) -> Study:
    """Reads the study from its file, or from the words of the command."""
    if arguments.ready:
        return _ready_study(arguments)
    if arguments.file:
        _nothing_beside(arguments, "the file of a study", file=True)
        path = Path(arguments.file).expanduser()
        try:
            found = Study.from_json(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError("The study {file} cannot be read: {reason}.", file=path, reason=error.strerror) from error
        except UnicodeDecodeError as error:
            raise InputError("The study is not valid JSON: {reason}", reason=str(error)) from error
        return replace(found, seeds=arguments.seeds) if arguments.seeds else found
    repeated = arguments.folds or len(arguments.seeds or ()) > 1
    if not (arguments.grid or arguments.range or repeated):
        raise InputError(
            "study needs a file, --grid FIELD=a,b for each field that is varied, such as --grid lr=0.1,0.01 "
            "--grid optimizer=sgd,adam, or --seeds 0,1,2 or --folds 5 that repeat one recipe. To tell of one that was "
            "started: --status STUDY."
        )
    from core.cli.common.experiment_args import experiment

    factors = (*map(_grid, arguments.grid), *map(_range, arguments.range))
    base = experiment(arguments)
    more = {} if arguments.samples is None else {"samples": arguments.samples}
    more |= {name: value for name in ("folds", "pruner") if (value := getattr(arguments, name)) is not None}
    design = arguments.sampling or ("random" if arguments.range else "grid")
    return Study(replace(base, name=""), factors, design, seeds=arguments.seeds or (0,), name=base.name, **more)


def _grid(word: str) -> Factor:
    """Reads ``training.phases.lr=0.1,0.01``; each value as JSON where it is some, else as text."""
    name, sign, text = word.partition("=")
    if not sign or not name or not text:
        raise InputError("--grid is {text}. Write a field and its values: lr=0.1,0.01.", text=word)
    return Factor.of(full_name(name.strip()), *(_value(value.strip()) for value in text.split(",")))


def _range(word: str) -> Factor:
    """Reads ``training.phases.lr=0.0001:0.1:log``."""
    name, _, text = word.partition("=")
    ends = text.split(":")
    kind = ends[2] if len(ends) > 2 else ""
    try:
        low, high = float(ends[0]), float(ends[1])
        if kind not in ("", "log", "whole"):
            raise ValueError
    except (ValueError, IndexError) as error:
        raise InputError(
            "--range is {text}. Write a field and two ends, then log or whole if wished: lr=0.0001:0.1:log.", text=word
        ) from error
    return Factor(full_name(name.strip()), low=low, high=high, log=kind == "log", whole=kind == "whole")


def _value(text: str) -> object:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if value is None or isinstance(value, int | float | str) else text


def _ready_study(arguments: argparse.Namespace) -> Study:
    """Returns a table of the notes as a study, on one's own pictures where it is meant for them."""
    ready = find_ready(arguments.ready)
    mine = ("data", "val_share", "test_share") if ready.own else ()
    words = [*given(arguments, *mine), *(f"--{name}" for name in (*_DESIGN, "file") if getattr(arguments, name))]
    if words:
        what = f"--ready {arguments.ready}"
        raise InputError("{what} says what is trained, so {word} cannot stand beside it.", what=what, word=words[0])
    chosen = {name: value for name in mine if (value := getattr(arguments, name, None)) is not None}
    source = chosen.pop("data", None)
    found = ready.study(None if source is None else DataSpec(source, **chosen))
    return replace(found, seeds=arguments.seeds) if arguments.seeds else found


def _nothing_beside(arguments: argparse.Namespace, what: str, *, file: bool = False) -> None:
    names = _DESIGN + (() if file else ("seeds", "adopt", "file", "ready"))
    words = [name if name == "file" else f"--{name}" for name in names if getattr(arguments, name)]
    others = [*given(arguments), *words]
    if others:
        raise InputError("{what} says what is trained, so {word} cannot stand beside it.", what=what, word=others[0])


def _stop(job: Job, output: Output) -> None:
    output.progress("pausing after this step; go on with: python -m core study --resume " + job.id)
    job.request_stop()


def wait_for(job: Job, output: Output) -> None:
    """Waits until a study is not at work any more, and prints how far it is; Ctrl-C pauses it."""
    told = -1
    with gentle_stop(lambda: job.stop_requested, lambda: _stop(job, output)):
        while job.state in LIVE:
            status = job.status()
            if status.doing == "training" and status.done != told:
                told = status.done
                output.progress(f"{status.done} of {status.total} runs", passing=True)
            time.sleep(POLL_SECONDS)


def _list(arguments: argparse.Namespace, output: Output) -> int:
    rows = []
    for job in JobStore(studies.KIND, arguments.runs_dir).list():
        try:
            found = studies.standings(job)
            name = studies.study_of(job).name
        except InputError:
            continue
        record = {"study": job.id, "name": name, "state": job.state, "runs": studies.planned(job)}
        rows.append(record | {"finished": sum(one.finished for one in found)})
    shown = [(row["study"], row["name"] or "-", row["state"], f"{row['finished']} of {row['runs']}") for row in rows]
    output.result({"studies": rows}, table(shown, ("study", "name", "state", "finished")) if rows else ["no studies"])
    return 0


def _report(job: Job, output: Output, measure: str | None) -> int:
    found, status = studies.standings(job), job.status()
    study = studies.study_of(job)
    said = analyse(study, found, measure)
    failed, total = [one for one in found if one.failed], studies.planned(job)
    pruned = sum(one.pruned for one in found)
    record = {
        "study": job.id,
        "name": study.name,
        "state": status.state,
        "runs": total,
        "finished": sum(one.finished for one in found),
        "pruned": pruned,
        "measure": said.measure,
        "rows": [_record(row, study) for row in said.rows],
        "importance": dict(said.importance),
        "differences": [
            {
                "better": pair.better.setting,
                "worse": pair.worse.setting,
                "difference": pair.difference,
                "interval": list(pair.interval),
                "p_value": pair.p_value,
                "larger_than_chance": pair.larger_than_chance,
            }
            for pair in said.differences
        ],
        "sentences": [str(sentence) for sentence in said.sentences],
        "failed": [
            {
                "run": one.run.id if one.run else None,
                "name": one.member.experiment.name,
                "reason": str(one.failure or one.state),
            }
            for one in failed
        ],
        "path": str(job.path),
    }
    if status.failure is not None:
        record["reason"] = str(status.failure)
    output.result(record, _lines(record, said, study))
    whole = not failed and all(one.finished or one.pruned for one in found)
    return 0 if status.state in LIVE or (whole and status.state == "finished") else 1


def _record(row: Row, study: Study) -> dict[str, object]:
    return {
        "setting": row.setting,
        "values": {factor.name: value for factor, value in zip(study.factors, row.values, strict=True)},
        "mean": row.mean,
        "interval": None if row.interval is None else list(row.interval),
        "measured": list(row.measured),
        "runs": list(row.runs),
        "failed": row.failed,
        "pruned": row.pruned,
    }


def _lines(record: dict[str, object], said: Analysis, study: Study) -> list[str]:
    lines = [f"study {record['study']}: {record['state']}, {record['finished']} of {record['runs']} runs finished"]
    lines[0] += f", {record['pruned']} pruned" if record["pruned"] else ""
    rows = [(*row.values, _figure(row, said.measure), _count(row)) for row in said.rows]
    names = [factor.name.rpartition(".")[2] for factor in study.factors]
    lines += ["", *table(rows, (*names, f"{said.measure.replace('_', ' ')} (95 %)", "seeds"))]
    if said.importance:
        shares = sorted(said.importance.items(), key=lambda pair: -pair[1])
        lines += ["", "variance: " + ", ".join(f"{name} {share(value)}" for name, value in shares)]
    lines += ["", *map(str, said.sentences)]
    failed = record["failed"]
    assert isinstance(failed, list)
    lines += [f"{one['name']}: {one['reason']}" for one in failed]
    if failed:
        lines.append(f"try them again: python -m core study --resume {record['study']}")
    return lines


def _count(row: Row) -> str:
    return "pruned" if row.pruned else f"{len(row.measured)} of {row.members}"


def _figure(row: Row, measure: str) -> str:
    if row.mean is None:
        return "-"
    plain = measure in LOW_IS_GOOD

    def one(value: float) -> str:
        return written(value, measure) if plain else share(value)

    return one(row.mean) + (f" ({one(row.interval[0])} to {one(row.interval[1])})" if row.interval else "")
