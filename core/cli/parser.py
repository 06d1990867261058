"""The command line's words. Loads nothing heavy, so that ``--help`` answers at once."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from core import specs

_EPILOG = "A RUN is an id (looked up under --runs-dir, else under $BACKBONE_LAB_RUNS) or a run folder's path."


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line and leaves with 2."""

    def error(self, message: str) -> NoReturn:
        print(f"error: {message} (see: {self.prog} --help)", file=sys.stderr)
        sys.exit(2)


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
        verb.set_defaults(verb=(f"core.cli.{module}", name))
        return verb

    add("datasets", "listing", "List the embedded data sets.")
    _add_anatomy(add("anatomy", "anatomy", "Take a network apart: stages, layers, parameters, receptive fields."))
    _add_backbones(add("backbones", "listing", "List the backbones and whether their weights are here."))
    add("methods", "listing", "List the attribution methods.")
    add("runs", "listing", "List the runs, the newest first.", runs)
    add("devices", "listing", "List the devices.")
    data = add("data", "listing", "Describe a folder of images or an embedded data set.")
    data.add_argument("source", metavar="PATH|NAME")
    _add_train(add("train", "training", "Train, in the foreground.", runs))
    evaluate = add("evaluate", "training", "Judge a run's best weights.", runs)
    evaluate.add_argument("run", metavar="RUN")
    evaluate.add_argument("--data", metavar="PATH|NAME", help="other images than the run's own")
    predict = add("predict", "training", "Classify images.", runs)
    predict.add_argument("run", metavar="RUN")
    predict.add_argument("images", metavar="IMAGE", nargs="+")
    predict.add_argument("--top-k", type=int, default=5, metavar="K")
    _add_inside(
        add("explain", "inside", "Make a heatmap.", runs), add("features", "inside", "Draw feature maps.", runs)
    )
    _add_rank(
        add("rank", "rank", "Rank backbones by what their frozen features tell of the classes.", runs),
        add("advise", "rank", "Name a recipe for images and a backbone, and say why.", runs),
    )
    _add_profile(add("profile", "profile", "Measure a network here, so that trainings of it can be estimated."))
    return parser


def _add_profile(profile: argparse.ArgumentParser) -> None:
    profile.add_argument("backbone", metavar="NAME", nargs="?")
    profile.add_argument("--image-size", type=int, metavar="N", help="side of the network's input in pixels")
    profile.add_argument("--device", default="auto", metavar="auto|cpu|cuda")
    profile.add_argument("--job", metavar="DIR", help=argparse.SUPPRESS)
    profile.add_argument("--within", action="append", metavar="DIR", help=argparse.SUPPRESS)


def _add_backbones(backbones: argparse.ArgumentParser) -> None:
    backbones.add_argument("--search", default="", metavar="TEXT", help="only those with all these words in their name")
    backbones.add_argument("--family", metavar="NAME", help="only those of this family")
    backbones.add_argument("--timm", action="store_true", help="timm's classifiers too (needs timm)")
    backbones.add_argument(
        "--sort", choices=("name", "parameters", "gflops", "top1", "input_size"), help="by default family by family"
    )


def _add_train(train: argparse.ArgumentParser) -> None:
    what = train.add_argument_group("what")
    what.add_argument("--data", metavar="PATH|NAME")
    what.add_argument("--backbone", metavar="NAME")
    what.add_argument(
        "--weights",
        metavar="WEIGHTS",
        help="default, none, the name of an entry (IMAGENET1K_V1), run:ID or file:PATH; by default as the preset says",
    )
    what.add_argument("--init", choices=specs.INITS, default="own", help="how random weights are drawn")
    what.add_argument("--init-bias", type=float, default=0.0, metavar="X", help="biases of random weights")
    what.add_argument("--channels", type=int, choices=(1, 3), help="1 for gray images; by default the backbone's own")
    what.add_argument("--design", metavar="FILE", help="with --backbone own: a JSON list of pieces")
    what.add_argument(
        "--head",
        default="linear",
        metavar="HEAD",
        help="linear, hidden layers (256 or 512,128), pooling before them (flatten:4096, average:linear)",
    )
    what.add_argument("--name", default="", help="the run's name")
    what.add_argument("--run", metavar="RUN", help="train a run that was made before; all else is read from it")
    what.add_argument("--within", action="append", metavar="DIR", help="refuse images outside this folder (repeatable)")
    how = train.add_argument_group("how")
    how.add_argument("--preset", choices=specs.PRESETS, help="by default what --freeze asks for, else linear-probe")
    how.add_argument(
        "--freeze",
        metavar="PLAN",
        help="what learns beside the head: linear-probe, last-block, last-stages=K, norm-bias, all, or names of parts "
        "(stage5,layer3.1); -NAME for a part that stays frozen (all,-stage1)",
    )
    how.add_argument("--norm", choices=specs.NORM_MODES, default="eval", help="BatchNorm of frozen parts")
    how.add_argument("--gradual", metavar="PLAN", help="parts and the epoch from which each learns: stage5@3,stage4@6")
    how.add_argument("--backbone-factor", type=float, metavar="X", help="rate of the last stage, times the head's")
    how.add_argument(
        "--stage-decay", type=float, default=1.0, metavar="X", help="rate of a stage, times the next one's"
    )
    how.add_argument(
        "--stage-rate", action="append", default=[], metavar="STAGE=X", help="a stage's rate, times the head's"
    )
    how.add_argument("--unfreeze-stages", type=_stages, metavar="K", help='last stages that learn, or "all"')
    how.add_argument("--epochs", type=int, metavar="N")
    how.add_argument("--lr", type=float, metavar="X", help="learning rate of the head")
    how.add_argument("--batch-size", type=int, default=32, metavar="N")
    how.add_argument("--optimizer", choices=specs.OPTIMIZERS)
    how.add_argument("--augment", choices=specs.AUGMENTATIONS, default="none")
    how.add_argument("--dropout", type=float, default=0.0, metavar="P", help="in the new head, before its last layer")
    how.add_argument("--image-size", type=int, metavar="N", help="side of the network's input in pixels")
    how.add_argument("--precision", choices=specs.PRECISIONS, default="auto")
    how.add_argument("--seed", type=int, default=0, metavar="S")
    how.add_argument("--device", default="auto", metavar="auto|cpu|cuda")
    split = train.add_argument_group("split, where the data bring none")
    split.add_argument("--val-share", type=float, default=0.2, metavar="SHARE")
    split.add_argument("--test-share", type=float, default=0.0, metavar="SHARE")
    split.add_argument("--images-per-class", type=int, metavar="N", help="only so many of each class")


def _add_anatomy(anatomy: argparse.ArgumentParser) -> None:
    anatomy.add_argument("name", metavar="NAME", help="see: python -m core backbones")
    anatomy.add_argument("--image-size", type=int, metavar="N", help="side of the images in pixels")
    anatomy.add_argument("--channels", type=int, choices=(1, 3), help="1 for gray images, 3 for RGB")
    anatomy.add_argument("--classes", type=int, metavar="K", help="with a new head for so many classes")
    anatomy.add_argument("--csv", metavar="FILE", help="write the table of layers")
    anatomy.add_argument("--excel", metavar="FILE.xlsx", help="write the table of layers for a spreadsheet program")


def _add_inside(explain: argparse.ArgumentParser, features: argparse.ArgumentParser) -> None:
    for verb in (explain, features):
        verb.add_argument("reference", metavar="RUN|BACKBONE")
        verb.add_argument("image", metavar="IMAGE")
        verb.add_argument("--weights", choices=specs.WEIGHTS, default="default", help="for a backbone")
    explain.add_argument("--method", default="grad-cam", help="see: python -m core methods")
    explain.add_argument("--target", metavar="CLASS", help="name or index; by default the predicted class")
    explain.add_argument("--layer", metavar="NAME", help="by default chosen by the network's anatomy")
    explain.add_argument("--opacity", type=float, default=0.5, metavar="X", help="of the heat over the image, 0 to 1")
    explain.add_argument("--out", required=True, metavar="FILE.png")
    layers = features.add_mutually_exclusive_group()
    layers.add_argument("--layer", metavar="NAME", help="by default the layer that heatmaps look at")
    layers.add_argument("--all", action="store_true", help="every layer that gives maps")
    features.add_argument("--out", required=True, metavar="DIR")


def _add_rank(rank: argparse.ArgumentParser, advise: argparse.ArgumentParser) -> None:
    for verb in (rank, advise):
        verb.add_argument("--data", metavar="PATH|NAME", required=verb is advise)
        verb.add_argument("--device", default="auto", metavar="auto|cpu|cuda")
        verb.add_argument("--seed", type=int, default=0, metavar="S", help="of the split")
        verb.add_argument("--val-share", type=float, default=0.2, metavar="SHARE")
        verb.add_argument("--test-share", type=float, default=0.0, metavar="SHARE")
        verb.add_argument("--within", action="append", metavar="DIR", help="refuse images outside this folder")
    rank.add_argument("--backbones", metavar="A,B,...", help="names, each with its weights if wanted: resnet18@none")
    rank.add_argument("--images", type=int, default=1000, metavar="N", help="training images to look at, at most")
    rank.add_argument("--job", metavar="DIR", help="do the ranking in this folder; all else is read from it")
    advise.add_argument("--backbone", required=True, metavar="NAME", help="with its weights if wanted: resnet18@none")
    advise.add_argument("--unmeasured", action="store_true", help="go by the number of images alone")


def _stages(text: str) -> int | str:
    if text == "all":
        return text
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'{text!r} is neither a whole number nor "all"') from error
