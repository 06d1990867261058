"""Verbs that look ahead: which backbone, and which recipe."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from core.cli.common.helpers import data_of, roots
from core.cli.common.output import Output, share, table
from core.errors import InputError

_HEADER = ("backbone", "weights", "LogME", "probe", "neighbours", "H (shrunk)", "LEEP", "seconds")


def rank(arguments: argparse.Namespace, output: Output) -> int:
    """Ranks backbones before any training."""
    from core.runs.store import RunStore
    from core.workflows.advisor.rank_backbones import rank as compute
    from core.workflows.advisor.ranking import compare

    ranking = compute(
        data_of(arguments),
        [name for name in arguments.backbones.split(",") if name.strip()],
        device=arguments.device,
        images_limit=_at_least_one("--images", arguments.images),
        roots=roots(arguments),
        runs_dir=RunStore(arguments.runs_dir).root,
        progress=lambda step: _show(step._asdict(), output),
    )
    comparison = compare(ranking, RunStore(arguments.runs_dir).list())
    rows, lines = [], []
    for row in ranking.ordered():
        scores = row.scores
        if scores is not None:
            rows.append(
                (
                    row.model.backbone,
                    row.model.weights,
                    f"{scores.log_me:.3f}",
                    share(scores.probe_accuracy),
                    share(scores.knn_accuracy),
                    f"{scores.regularised_h_score:.3f}",
                    "-" if scores.leep is None else f"{scores.leep:.3f}",
                    f"{row.seconds:.1f}",
                )
            )
    lines += table(rows, _HEADER) if rows else ["No backbone could be ranked."]
    lines += [f"left out: {row.model.backbone}: {row.problem}" for row in ranking.rows if row.problem is not None]
    lines += [
        "",
        f"{ranking.images} of {ranking.training_images} training images, {ranking.seconds:.1f} s; "
        "no image held out for validation or testing was looked at.",
    ]
    lines += [
        f"reached ({comparison.split}): {pair.row.model.backbone} {share(pair.accuracy)} in {pair.name}"
        for pair in comparison.pairs
    ]
    if comparison.tau is not None:
        lines.append(f"Kendall's tau between LogME and what was reached: {comparison.tau:.2f}")
    reached = [
        {**dataclasses.asdict(pair.row.model), "run": pair.run, "accuracy": pair.accuracy} for pair in comparison.pairs
    ]
    compared = {"split": comparison.split, "pairs": reached, "tau": comparison.tau}
    output.result({**ranking.as_record(), "reached": compared | {"weighted_tau": comparison.weighted_tau}}, lines)
    return 0 if rows else 2


def advise(arguments: argparse.Namespace, output: Output) -> None:
    """Names a recipe for images and a backbone, with the reasons."""
    from core.data.sources import open_spec
    from core.models.anatomy.examine import anatomy_of
    from core.runs.store import RunStore
    from core.workflows.advisor.advice import advise as think
    from core.workflows.advisor.dataset_facts import dataset_facts, sample_size
    from core.workflows.advisor.rank_backbones import rank as compute
    from core.workflows.advisor.ranking import candidate
    from core.workflows.data_check.dividing import divide

    data, model = data_of(arguments), candidate(arguments.backbone)
    within = roots(arguments)
    dataset = divide(open_spec(data, roots=within), data)
    facts = dataset_facts(dataset, model)
    if facts.pretrained and not arguments.unmeasured:
        ranking = compute(
            data,
            [model],
            device=arguments.device,
            images_limit=sample_size(facts.classes),
            roots=within,
            runs_dir=RunStore(arguments.runs_dir).root,
            progress=lambda step: _show(step._asdict(), output),
        )
        problem = ranking.rows[0].problem
        if problem is not None:
            raise InputError(problem.template, **problem.values)
        facts = dataset_facts(dataset, model, ranking.rows[0].scores)
    stages = [stage.name for stage in anatomy_of(model.backbone).backbone_stages]
    advice = think(facts, stages)
    lines = [
        f"recipe: {advice.preset}, {advice.epochs} epochs, augmentation {advice.strength}",
        " ".join(str(sentence) for sentence in advice.reason),
        "",
        *(f"- {sentence}" for sentence in advice.evidence),
    ]
    record = dataclasses.asdict(advice) | {
        "reason": [str(sentence) for sentence in advice.reason],
        "evidence": [str(sentence) for sentence in advice.evidence],
        "facts": dataclasses.asdict(facts) | {"per_class": facts.per_class, "likeness": facts.likeness},
    }
    output.result(record, lines)


def _at_least_one(word: str, value: int) -> int:
    if value < 1:
        raise InputError("{word} is {value}. It must be at least 1.", word=word, value=value)
    return value


def _show(record: dict[str, Any], output: Output) -> None:
    """Turns a step into a line of progress."""
    name = f"{record['backbone']} ({record['number'] + 1} of {record['networks']}), " if record["backbone"] else ""
    output.step(record, before=name)
