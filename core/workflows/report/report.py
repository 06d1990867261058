"""Writes the report of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from core.errors import InputError
from core.evaluation.calibration import reliability
from core.evaluation.figures import Figures
from core.messages import N_
from core.runs.files import read_json, read_lines, write_atomic
from core.runs.store import Run
from core.specs import titles
from core.text_templates import templates
from core.translations import Words, direction, languages
from core.workflows.checkpoints import network_at
from core.workflows.coach.diagnose import advise_run
from core.workflows.data_check.report import Check
from core.workflows.evaluate import Evaluation, evaluate, grouped, recorded
from core.workflows.images import reopen
from core.workflows.report import charts, data_card, pictures, recipe
from core.workflows.report.charts import Line

TEMPLATES = Path(__file__).parent / "templates"
MOST_CLASSES = 20
"""Classes up to which the confusion matrix is drawn whole; of more the report lists the most frequent mistakes."""
MOST_LISTED = 20
SHOWN = (
    ("accuracy", N_("Accuracy"), True),
    ("balanced_accuracy", N_("Balanced accuracy"), True),
    ("top3_accuracy", N_("Top-3 accuracy"), True),
    ("macro_precision", N_("Macro precision"), True),
    ("macro_recall", N_("Macro recall"), True),
    ("macro_f1", N_("Macro F1"), True),
    ("roc_auc", N_("ROC AUC, macro"), False),
    ("average_precision", N_("Average precision, macro"), False),
    ("mcc", "MCC", False),
    ("log_loss", N_("Log loss (nats)"), False),
    ("brier", N_("Brier score"), False),
    ("ece", N_("ECE (15 bins of equal mass)"), True),
)
STATES = {
    "finished": N_("finished"),
    "stopped": N_("stopped"),
    "failed": N_("failed"),
    "interrupted": N_("interrupted"),
    "paused": N_("paused"),
    "unreadable": N_("unreadable"),
}
Step = Callable[[str, int, int], object]


@dataclass(frozen=True, slots=True)
class Written:
    """A report that was written.

    Attributes:
        bytes: Its size.
        pictures: Pictures with heatmaps in it.
        split: What the run was judged on; empty where it was not.
    """

    bytes: int
    pictures: int
    split: str


def write_report(
    run: Run,
    path: Path,
    *,
    checkpoint: str = "best",
    roots: Sequence[Path] | None = None,
    tested: bool = True,
    language: str = "en",
    check: tuple[Check, float] | None = None,
    step: Step = lambda *_: None,
) -> Written:
    """Writes a run's report: one HTML file with all that it needs inside.

    Args:
        run: A run that has ended.
        path: The file.
        checkpoint: Which weights, as for :func:`core.workflows.checkpoints.network_at`.
        roots: Folders that the run's images must lie under, links resolved; ``None`` for no limit.
        tested: Whether the heatmaps are tested, which takes some seconds each.
        language: Code of a language of :func:`core.translations.languages`; without a catalogue it is English.
        check: What :func:`core.workflows.jobs.data_check.kept` has of the run's images.
        step: Called with what is being done, how much of it is done and how much there is; what it raises ends it.

    Raises:
        InputError: The run cannot be read, or has no such weights.
        OSError: The file cannot be written.
    """
    experiment, _ = run.experiment, Words(language if language in languages() else "en")
    step("judging", 0, 0)
    part, unjudged = _judged(run, checkpoint, roots, _)
    seen = _seen(run, part, checkpoint, roots, check, _, tested=tested, step=step)
    step("writing the report", 0, 0)
    text = (
        templates(TEMPLATES, html=True)
        .get_template("report.html.j2")
        .render(
            _=_,
            fill=_fill,
            rtl=direction(_.code) == "rtl",
            name=run.name,
            made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            network=recipe.title(experiment.model.backbone),
            state=_(STATES.get(run.state, run.state)),
            warning=_warning(run, _),
            weights=_weights(checkpoint, _),
            made_by=_made_by(run, _),
            recipe=recipe.in_words(experiment, _),
            data=recipe.data_in_words(run, experiment, _),
            counts=_counts(run),
            findings=_findings(run, _),
            unjudged=unjudged,
            curves=_curves(run, _),
            **seen,
            **_of(run, part, roots, _),
        )
    )
    write_atomic(path, text.encode("utf-8", "replace"))
    return Written(path.stat().st_size, len(seen["pictures"]), part.split if part else "")


def _seen(
    run: Run,
    part: Evaluation | None,
    checkpoint: str,
    roots: Sequence[Path] | None,
    check: tuple[Check, float] | None,
    _: Words,
    *,
    tested: bool,
    step: Step,
) -> dict[str, Any]:
    """Returns what the report shows of the images, or why it cannot; arguments as of :func:`write_report`."""
    found: dict[str, Any] = {"pictures": [], "samples": [], "card": None, "missing": ""}
    try:
        dataset = reopen(run, roots=roots)
        found |= {"samples": pictures.samples(dataset), "card": data_card.of(run, check, dataset, _)}
        if part is not None and run.has_weights:
            step("building the network", 0, 0)
            network = network_at(run, checkpoint, roots=roots)
            found["pictures"] = pictures.worst(
                run, network, dataset, part.predictions, _, tested=tested, checkpoint=checkpoint, step=step
            )
    except InputError as error:
        found["missing"] = _.said(error)
    return found


def _fill(text: str, **values: object) -> Markup:
    """Fills a text's values in, each kept apart from the text's direction; a per cent sign stays with its number."""
    own = {
        name: value if isinstance(value, Markup) else Markup("<bdi>{}</bdi>").format(value)
        for name, value in values.items()
    }
    return Markup("{}").format(text.replace(" %", "\u00a0%")).format(**own)


def _weights(checkpoint: str, _: Words) -> str:
    known = {"best": _("best weights"), "last": _("last weights"), "start": _("weights before training")}
    return known.get(checkpoint) or _("weights after epoch {n}").format(n=checkpoint)


def _warning(run: Run, _: Words) -> str:
    """Returns what must be known of copies in different splits."""
    leaks = run.status().leaks
    return "" if leaks is None or leaks.warning is None else _.said(leaks.warning)


def _made_by(run: Run, _: Words) -> Markup:
    """Returns what trained the run, on what and for how long."""
    status, packages = run.status(), read_json(run.path / "environment.json").get("packages")
    torch = packages.get("torch") if isinstance(packages, dict) else None
    parts = [_fill(_("Run {id}, trained with Backbone Lab"), id=run.id)]
    parts += [_fill("PyTorch {version}", version=torch)] if isinstance(torch, str) else []
    parts += [Markup("<bdi>{}</bdi>").format(titles.device(status.device))] if status.device else []
    parts += [_fill(_("{n} s of training"), n=f"{status.seconds:.0f}")] if status.seconds else []
    return Markup(" · ").join(parts)


def _judged(run: Run, checkpoint: str, roots: Sequence[Path] | None, _: Words) -> tuple[Evaluation | None, str]:
    """Returns what the run answered on its test images, else on those of validation; or why it cannot be judged."""
    found = recorded(run) if checkpoint == "best" else {}
    part = found.get("test") or found.get("val")
    if part is not None:
        return part, ""
    try:
        return evaluate(run, checkpoint=checkpoint, roots=roots), ""
    except InputError as error:
        return None, _.said(error)


def _of(run: Run, part: Evaluation | None, roots: Sequence[Path] | None, _: Words) -> dict[str, Any]:
    """Returns what the report says of an evaluation."""
    if part is None:
        return {"part": None, "figures": None, "rows": [], "matrix": None, "confused": [], "reliability": ""}
    figures = _figures(run, part, roots)
    scores, names = part.scores, part.predictions.classes
    rows = [
        (_(title), _written(figures.values[name], share=share), *(_written(end, share=share) for end in ends))
        for name, title, share in SHOWN
        if (ends := figures.intervals.get(name)) is not None
    ]
    confidence = part.predictions.probabilities.max(axis=1).astype(np.float64)
    right = (part.predictions.probabilities.argmax(axis=1) == part.predictions.labels).astype(np.int64)
    whole = len(names) <= MOST_CLASSES
    return {
        "part": part,
        "figures": figures,
        "rows": rows,
        "matrix": scores.confusion.tolist() if whole else None,
        "shares": scores.confusion_shares.tolist() if whole else None,
        "confused": [(names[true], names[said], count) for true, said, count in scores.confused()[:MOST_LISTED]],
        "reliability": charts.reliability(
            reliability(confidence, right),
            across=_("mean confidence"),
            up=_("share that is right"),
            title=_("Reliability diagram"),
        ),
    }


def _figures(run: Run, part: Evaluation, roots: Sequence[Path] | None) -> Figures:
    try:
        return grouped(run, part, roots=roots).figures()
    except InputError:  # the groups cannot be formed any more; the report says that each image counts by itself
        return part.figures()


def _written(value: float, *, share: bool) -> str:
    return f"{100 * value:.1f}\u00a0%" if share else f"{value:.3f}"


def _curves(run: Run, _: Words) -> list[str]:
    rows = run.metrics()[0]
    best = run.recorded.best_epoch
    starts = {row.get("phase_index"): row for row in reversed(rows)}
    marks = [(float(row["epoch"]), str(row.get("phase") or "")) for index, row in starts.items() if index]
    if best:
        marks.append((float(best), _("best")))

    def line(title: str, colour: str, name: str) -> Line:
        points = [(float(row["epoch"]), float(row[name])) for row in rows if row.get(name) is not None]
        return Line(title, colour, points)

    return [
        charts.lines(
            [line(_("training"), "train", f"train_{name}"), line(_("validation"), "val", f"val_{name}")],
            across=_("epoch"),
            up=title,
            marks=marks,
            share=name == "accuracy",
        )
        for name, title in (("accuracy", _("accuracy")), ("loss", _("loss")))
    ]


def _counts(run: Run) -> dict[str, Any]:
    """Returns the images of each class in each split, the largest classes first."""
    found = Counter((row["label"], row["split"]) for row in run.split_rows())
    splits = [name for name in ("train", "val", "test") if any(split == name for _label, split in found)]
    sizes = Counter[str]()
    for (label, _split), count in found.items():
        sizes[label] += count
    return {
        "splits": splits,
        "rows": [(name, [found[name, split] for split in splits], size) for name, size in sizes.most_common(50)],
        "more": max(0, len(sizes) - 50),
        "totals": [sum(count for (_label, split), count in found.items() if split == name) for name in splits],
        "all": sum(sizes.values()),
    }


def _findings(run: Run, _: Words) -> list[tuple[str, str, str]]:
    """Returns what the coach says of the run: tone, sentence, advice."""
    counts: dict[str, dict[str, int]] = {}
    for row in run.split_rows():
        split = counts.setdefault(row["split"], {})
        split[row["label"]] = split.get(row["label"], 0) + 1
    rows = run.metrics()[0]
    if not rows:
        return []
    health = read_lines(run.path / "health.jsonl")[0]
    found = advise_run(rows, health, run.status(), run.experiment, counts)
    return [(finding.tone, _.said(finding.sentence), _.said(finding.advice)) for finding in found]
