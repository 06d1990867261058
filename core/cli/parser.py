"""The command line's words. Loads nothing heavy, so that ``--help`` answers at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import NoReturn

from core import specs
from core.cli.commands.evaluate import add_compare_runs, add_evaluate
from core.cli.commands.feature_maps import add_compare, add_features
from core.cli.commands.filters import add_dream, add_filters
from core.cli.commands.giving.style import add_style
from core.cli.commands.leaving.export import add_export
from core.cli.commands.leaving.packing import add_packing
from core.cli.commands.leaving.predict import add_predict
from core.cli.commands.leaving.report import add_report
from core.cli.commands.leaving.trackers import add_trackers
from core.cli.common.data_options import add_data, add_revision
from core.cli.common.training_options import add_settings, whole_numbers
from core.specs.study import DESIGNS, PRUNERS

_EPILOG = "A RUN is an id (looked up under --runs-dir, else under $BACKBONE_LAB_RUNS) or a run folder's path."


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line and leaves with 2."""

    def error(self, message: str) -> NoReturn:
        print(f"error: {message} (see: {self.prog} --help)", file=sys.stderr)
        sys.exit(2)


@lru_cache
def build_parser() -> argparse.ArgumentParser:
    """Returns the parser; the parsed arguments carry ``verb``, the module and function that do the work."""
    common = _Parser(add_help=False)
    common.add_argument("--json", action="store_true", help="last line on stdout is one JSON object")
    common.add_argument("--quiet", action="store_true", help="no progress on stderr")
    runs = _Parser(add_help=False)
    runs.add_argument("--runs-dir", metavar="DIR", help="folder of the runs")
    parser = _Parser(prog="python -m core", description="Backbone Lab without a browser.", epilog=_EPILOG)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True, parser_class=_Parser)

    def add(name: str, module: str, text: str, *parents: _Parser) -> _Parser:
        verb = verbs.add_parser(name, help=text, description=text, parents=[common, *parents])
        verb.set_defaults(verb=(f"core.cli.commands.{module}", name.rpartition(" ")[2]))
        return verb

    add("datasets", "listing", "List the embedded data sets.")
    _add_anatomy(add("anatomy", "anatomy", "Take a network apart: stages, layers, parameters, receptive fields."))
    _add_backbones(add("backbones", "listing", "List the backbones and whether their weights are here."))
    add("recipes", "listing", "List the trainings of the notes, ready to be trained.")
    add("methods", "listing", "List the attribution methods.")
    add("runs", "listing", "List the runs, the newest first.", runs)
    add("devices", "listing", "List the devices.")
    data = add("data", "listing", "Describe a folder of images or an embedded data set.")
    data.add_argument("source", metavar="PATH|NAME")
    add_data(add)
    _add_train(add("train", "train", "Train, in the foreground.", runs))
    _add_series(add("series", "several.series", "Train a recipe over seeds or folds; or tell of a series.", runs))
    _add_study(add("study", "several.study", "Train a design over settings as one object; or tell of a study.", runs))
    _add_acting(add, runs)
    add_evaluate(add, runs)
    add_compare_runs(add, runs)
    add_predict(add, runs)
    _add_inside(add("explain", "explain", "Make a heatmap.", runs))
    add_features(add("features", "feature_maps", "Draw feature maps.", runs))
    add_compare(add("compare", "feature_maps", "Set two networks side by side on an image.", runs))
    _add_rank(
        add("rank", "rank", "Rank backbones by what their frozen features tell of the classes.", runs),
        add("advise", "rank", "Name a recipe for images and a backbone, and say why.", runs),
    )
    add_filters(add("filters", "filters", "Draw a layer's filters, and say which are alike or dead.", runs))
    add_dream(add("dream", "filters", "Grow the pictures that channels or classes look for.", runs))
    add_style(add, runs)
    _add_finder(add("lr-find", "lr_find", "Find a learning rate: a range test before training.", runs))
    _add_heat_study(add("heat-study", "heat_study", "Look at the heatmaps of many pictures together.", runs))
    add_export(add, runs)
    add_packing(add, runs)
    add_report(add, runs)
    add_trackers(add, runs)
    _add_leak_lab(add("leak-lab", "job", "Divide pictures carelessly and carefully, and compare the accuracies."))
    _add_profile(add("profile", "job", "Measure a network here, so that trainings of it can be estimated."))
    job = verbs.add_parser("job", parents=[common])  # for the processes of jobs: without a help text it is not listed
    job.set_defaults(verb=("core.cli.commands.job", "job"))
    job.add_argument("folder", metavar="DIR")
    job.add_argument("--within", action="append", metavar="DIR")
    return parser


def _add_finder(finder: argparse.ArgumentParser) -> None:
    add_settings(finder)
    finder.set_defaults(verb=("core.cli.commands.lr_find", "find"))
    test = finder.add_argument_group("test")
    test.add_argument("--phase", default="0", metavar="PHASE", help="place (from 0) or name of the phase to try")
    test.add_argument("--steps", type=int, metavar="N", help="optimizer steps of the test; 100 by default")


def _add_setting(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--setting",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="of the method; see: python -m core methods",
    )


def _add_heat_study(study: argparse.ArgumentParser) -> None:
    study.add_argument("run", metavar="RUN", help="at another moment: RUN@start, RUN@last, RUN@12")
    study.set_defaults(verb=("core.cli.commands.heat_study", "heat_study"))
    study.add_argument("--method", default="grad-cam", help="see: python -m core methods")
    _add_setting(study)
    study.add_argument("--layer", metavar="NAME", help="by default chosen by the network's anatomy")
    study.add_argument("--of", choices=("predicted", "truth"), default="predicted", help="the class explained")
    study.add_argument("--images", type=int, metavar="N", help="held-out images to look at, at most; 400 by default")
    study.add_argument("--within", action="append", metavar="DIR", help="refuse images outside this folder")


def _add_leak_lab(lab: argparse.ArgumentParser) -> None:
    lab.set_defaults(verb=("core.cli.commands.job", "leak_lab"))
    lab.add_argument("source", metavar="PATH|NAME", nargs="?", default="brains")
    lab.add_argument(
        "--group-by", metavar="HOW", help="relatives: folder, stem, near, exif, column:NAME or pattern:REGEX"
    )
    lab.add_argument("--copies", type=int, metavar="K", help="changed copies of each picture, made before and after")
    lab.add_argument("--augment", metavar="PRESET", default="basic", help="how the copies are changed (default basic)")
    lab.add_argument("--labels", choices=("own", "lot"), help="the pictures' own labels, or labels drawn by lot")
    lab.add_argument("--images", type=int, metavar="N", help="pictures that take part at most")
    lab.add_argument("--divisions", type=int, metavar="N", help="how often all are divided anew (default 5)")
    lab.add_argument("--seed", type=int, default=0, metavar="N")
    lab.add_argument("--device", default="auto", metavar="auto|cpu|cuda")
    lab.add_argument("--within", action="append", metavar="DIR", help="refuse images outside this folder")


def _add_profile(profile: argparse.ArgumentParser) -> None:
    profile.add_argument("backbone", metavar="NAME")
    profile.add_argument("--image-size", type=int, metavar="N", help="side of the network's input in pixels")
    profile.add_argument("--device", default="auto", metavar="auto|cpu|cuda")


def _add_backbones(backbones: argparse.ArgumentParser) -> None:
    backbones.add_argument("--search", default="", metavar="TEXT", help="only those with all these words in their name")
    backbones.add_argument("--family", metavar="NAME", help="only those of this family")
    backbones.add_argument("--timm", action="store_true", help="timm's classifiers too (needs timm)")
    backbones.add_argument(
        "--sort", choices=("name", "parameters", "gflops", "top1", "input_size"), help="by default family by family"
    )


def _add_train(train: argparse.ArgumentParser) -> None:
    add_settings(train)
    train.add_argument("--run", metavar="RUN", help="train a run that was made before; all else is read from it")


def _add_series(series: argparse.ArgumentParser) -> None:
    add_settings(series)
    series.add_argument("series", metavar="SERIES", nargs="?", help="tell of the series of this id")
    series.add_argument("--seeds", type=whole_numbers, metavar="S,S", help="a run for each: 0,1,2")
    series.add_argument("--folds", type=int, metavar="K", help="a run for each of K folds")
    series.add_argument(
        "--remedies", action="store_true", help="a run without remedy against imbalance, one with weights, one sampled"
    )
    series.add_argument("--background", action="store_true", help="do not wait for the runs")


def _add_study(study: argparse.ArgumentParser) -> None:
    add_settings(study)
    study.add_argument("file", metavar="FILE.json", nargs="?", help="a study as JSON, as the page Studies gives it")
    words = study.add_argument_group("study")
    words.add_argument(
        "--grid", action="append", default=[], metavar="FIELD=A,B", help="a field and its values: lr=0.1,0.01"
    )
    words.add_argument(
        "--range", action="append", default=[], metavar="FIELD=A:B[:log|:whole]", help="a field between two ends"
    )
    words.add_argument("--sampling", choices=DESIGNS, help="by default grid, or random where there is a range")
    words.add_argument("--samples", type=int, metavar="N", help="settings of any sampling but grid")
    words.add_argument("--pruner", choices=PRUNERS, help="ends settings of optuna early that lie below the median")
    words.add_argument("--seeds", type=whole_numbers, metavar="S,S", help="each setting once with each: 0,1,2")
    words.add_argument("--folds", type=int, metavar="K", help="each setting and seed once on each of K folds")
    words.add_argument("--ready", metavar="NAME", help="a table of the notes, such as letters-digits")
    words.add_argument("--adopt", metavar="STUDY", help="count the finished runs of an earlier study, where the same")
    words.add_argument("--background", action="store_true", help="do not wait for the runs")
    words.add_argument("--status", metavar="STUDY", help="tell of a study")
    words.add_argument("--resume", metavar="STUDY", help="train what is missing, and what failed again")
    words.add_argument("--list", action="store_true", help="list the studies")
    words.add_argument("--measure", metavar="NAME", help="what is compared, such as val_loss; by default test accuracy")


def _add_acting(add: Callable[..., _Parser], runs: _Parser) -> None:
    resume = add("resume", "control", "Go on with a run, in the foreground; the first Ctrl-C pauses it.", runs)
    pause = add("pause", "control", "Ask a run to pause; resume goes on with it.", runs)
    stop = add("stop", "control", "Ask a run to stop and keep its best weights.", runs)
    change = add("change", "control", "Ask a run for another rate, for more stages or more epochs.", runs)
    for verb in (resume, pause, stop, change):
        verb.add_argument("run", metavar="RUN")
    stop.add_argument("--discard", action="store_true", help="leave no trace of it")
    what = change.add_mutually_exclusive_group(required=True)
    what.add_argument("--rate", type=float, metavar="F", help="every rate times F, until the phase ends")
    what.add_argument("--unfreeze", type=int, metavar="N", help="the next N stages learn along")
    what.add_argument("--extend", type=int, metavar="N", help="the phase is N epochs longer")
    queue = add("queue", "control", "Show who waits for which device, and change it.", runs)
    queue.add_argument("--move", nargs=2, metavar=("RUN", "up|down|front"), help="move a run that waits")
    queue.add_argument("--revive", action="store_true", help="start again what waited when the machine went down")
    for verb in (resume, queue):
        verb.add_argument("--within", action="append", metavar="DIR", help="refuse images outside this folder")


def _add_anatomy(anatomy: argparse.ArgumentParser) -> None:
    anatomy.add_argument("name", metavar="NAME", help="see: python -m core backbones")
    anatomy.add_argument("--image-size", type=int, metavar="N", help="side of the images in pixels")
    anatomy.add_argument("--channels", type=int, choices=(1, 3), help="1 for gray images, 3 for RGB")
    anatomy.add_argument("--classes", type=int, metavar="K", help="with a new head for so many classes")
    anatomy.add_argument("--csv", metavar="FILE", help="write the table of layers")
    anatomy.add_argument("--excel", metavar="FILE.xlsx", help="write the table of layers for a spreadsheet program")


def _add_inside(explain: argparse.ArgumentParser) -> None:
    explain.add_argument("reference", metavar="RUN|BACKBONE")
    explain.add_argument("image", metavar="IMAGE")
    explain.add_argument("--weights", choices=specs.WEIGHTS, default="default", help="for a backbone")
    which = explain.add_mutually_exclusive_group()
    which.add_argument("--method", default="grad-cam", help="see: python -m core methods")
    which.add_argument("--methods", metavar="A,B,...|all", help="several, side by side in one picture")
    explain.add_argument("--target", metavar="CLASS", help="name or index; by default the predicted class")
    explain.add_argument("--against", metavar="CLASS", help="the evidence for the class rather than for this one")
    _add_setting(explain)
    explain.add_argument("--layer", metavar="NAME", help="by default chosen by the network's anatomy")
    explain.add_argument("--opacity", type=float, default=0.5, metavar="X", help="of the heat over the image, 0 to 1")
    explain.add_argument("--metrics", action="store_true", help="test the map, and say how far it can be trusted")
    explain.add_argument("--nearest", type=int, metavar="N", help="name the N training images of the run most like it")
    explain.add_argument("--out", required=True, metavar="FILE.png")


def _add_rank(rank: argparse.ArgumentParser, advise: argparse.ArgumentParser) -> None:
    for verb in (rank, advise):
        verb.add_argument("--data", metavar="PATH|NAME", required=True)
        add_revision(verb)
        verb.add_argument("--device", default="auto", metavar="auto|cpu|cuda")
        verb.add_argument("--seed", type=int, default=0, metavar="S", help="of the split")
        verb.add_argument("--val-share", type=float, default=0.2, metavar="SHARE")
        verb.add_argument("--test-share", type=float, default=0.0, metavar="SHARE")
        verb.add_argument("--within", action="append", metavar="DIR", help="refuse images outside this folder")
    rank.add_argument(
        "--backbones", metavar="A,B,...", required=True, help="names, each with its weights if wanted: resnet18@none"
    )
    rank.add_argument("--images", type=int, default=1000, metavar="N", help="training images to look at, at most")
    advise.add_argument("--backbone", required=True, metavar="NAME", help="with its weights if wanted: resnet18@none")
    advise.add_argument("--unmeasured", action="store_true", help="go by the number of images alone")
