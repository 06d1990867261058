"""The formats that a trained network leaves the lab in, and how each is written and run."""

from __future__ import annotations

import importlib.util
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from core.errors import InputError
from core.messages import N_
from core.models.network import Network, blank, load_into, save
from core.specs import ModelSpec, Preprocessing
from core.workflows.export.model import web

OPSET = 18
"""Version of ONNX's operators: read by every onnxruntime since 1.14."""
INPUT, OUTPUT = "images", "logits"
"""Names of the file's input and output."""

Run = Callable[[Tensor], Tensor]
"""Gives ``N x K`` logits of ``N x 3 x S x S`` colours between 0 and 1."""


class Deployed(nn.Module):
    """A network with its normalisation inside: colours between 0 and 1 in, logits out.

    Args:
        model: Gives logits of normalised images.
        preprocessing: Mean, deviation and channels of its input.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.model = model
        self.gray = preprocessing.channels == 1
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(preprocessing.std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits, ``N x K``, of colours between 0 and 1, ``N x 3 x S x S``."""
        scaled = (images - self.mean) / self.std
        logits: Tensor = self.model(scaled.mean(1, keepdim=True) if self.gray else scaled)
        return logits


@dataclass(frozen=True, slots=True)
class Format:
    """A format.

    Attributes:
        title: What it is called, to be translated.
        text: What it is for, to be translated.
        ending: Of the file's name.
        write: Writes the deployed network into a file.
        open: Opens the file, given what is needed to build the network again, and returns what runs it.
        needs: Packages that must be there.
        rounded: Whether what was written and compared is rounded to whole numbers after that, which
            :mod:`core.workflows.export.model.int8` does.
    """

    title: str
    text: str
    ending: str
    write: Callable[[Deployed, Network, Path], None]
    open: Callable[[Path, ModelSpec, tuple[str, ...]], Run]
    needs: tuple[str, ...] = ()
    rounded: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed here."""
        return tuple(name for name in self.needs if importlib.util.find_spec(name) is None)


def format_named(name: str) -> Format:
    """Returns a format of :data:`FORMATS` that can be written here.

    Raises:
        InputError: There is no such format, or a package that writes it is not installed.
    """
    found = FORMATS.get(name)
    if found is None:
        raise InputError("There is no format {name}. Choose one of {known}.", name=name, known=", ".join(FORMATS))
    if found.missing:
        raise InputError(
            "{format} needs {packages}, which is not installed. Install it: pip install -r requirements-export.txt",
            format=name,
            packages=", ".join(found.missing),
        )
    return found


def example(side: int, batch: int = 2) -> Tensor:
    """Returns an input to trace with, ``batch x 3 x side x side``."""
    return torch.rand((batch, 3, side, side), generator=torch.Generator().manual_seed(0))


def _write_safetensors(_deployed: Deployed, network: Network, path: Path) -> None:
    save(network.model, path)


def _open_safetensors(path: Path, spec: ModelSpec, classes: tuple[str, ...]) -> Run:
    network = blank(spec, classes)
    load_into(network.model, path)
    return without_gradients(Deployed(network.model, network.preprocessing).eval())


def _write_pt2(deployed: Deployed, network: Network, path: Path) -> None:
    with quiet(), torch.no_grad():
        program = torch.export.export(
            deployed, (example(network.preprocessing.crop),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)
        )
        torch.export.save(program, path)


def _open_pt2(path: Path, _spec: ModelSpec, _classes: tuple[str, ...]) -> Run:
    with quiet():
        return without_gradients(torch.export.load(path).module())


def _write_onnx(deployed: Deployed, network: Network, path: Path) -> None:
    with quiet(), torch.no_grad():
        torch.onnx.export(
            deployed,
            (example(network.preprocessing.crop),),
            path,
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            external_data=False,
            verbose=False,
        )


def run_onnx(path: Path) -> Run:
    """Returns what runs an ONNX file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])


def _open_onnx(path: Path, _spec: ModelSpec, _classes: tuple[str, ...]) -> Run:
    return run_onnx(path)


def _write_web(deployed: Deployed, network: Network, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.onnx"
        _write_onnx(deployed, network, model)
        web.write_page(model.read_bytes(), path, network.classes, network.preprocessing, (INPUT, OUTPUT))


def _open_web(path: Path, _spec: ModelSpec, _classes: tuple[str, ...]) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.onnx"
        model.write_bytes(web.model_of(path))
        return run_onnx(model)


def _write_torchscript(deployed: Deployed, network: Network, path: Path) -> None:
    with quiet(), torch.no_grad():
        torch.jit.trace(deployed, example(network.preprocessing.crop), check_trace=False).save(str(path))


def _open_torchscript(path: Path, _spec: ModelSpec, _classes: tuple[str, ...]) -> Run:
    with quiet():
        return without_gradients(torch.jit.load(str(path)).eval())


def without_gradients(module: nn.Module) -> Run:
    """Returns what runs a module without recording gradients."""

    def run(images: Tensor) -> Tensor:
        with torch.no_grad():
            logits: Tensor = module(images)
            return logits

    return run


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps what exporters print of their own progress and deprecations from the log."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


FORMATS = {
    "onnx": Format(
        "ONNX",
        N_("Runs in onnxruntime on any machine, phone or browser, without PyTorch."),
        "onnx",
        _write_onnx,
        _open_onnx,
        ("onnx", "onnxscript", "onnxruntime"),
    ),
    "onnx-int8": Format(
        N_("ONNX in whole numbers"),
        N_(
            "A third of the size, faster on many machines: numbers are rounded to eight bits, so that answers change a "
            "little. Its accuracy is measured beside that of the exact file."
        ),
        "int8.onnx",
        _write_onnx,
        _open_onnx,
        ("onnx", "onnxscript", "onnxruntime"),
        rounded=True,
    ),
    "web": Format(
        N_("Web page"),
        N_(
            "One file that runs the network in any browser, on pictures and on the camera, without a server; no "
            "picture leaves the browser."
        ),
        "html",
        _write_web,
        _open_web,
        ("onnx", "onnxscript", "onnxruntime"),
    ),
    "pt2": Format(
        "torch.export", N_("Runs in PyTorch without this app, its network inside."), "pt2", _write_pt2, _open_pt2
    ),
    "safetensors": Format(
        "safetensors",
        N_("The weights alone, which cannot hold code; the network is built by this app or its written program."),
        "safetensors",
        _write_safetensors,
        _open_safetensors,
    ),
    "torchscript": Format(
        "TorchScript",
        N_("For old programs: PyTorch has deprecated it, so take torch.export where you can."),
        "torchscript.pt",
        _write_torchscript,
        _open_torchscript,
    ),
}
"""All formats, by the names that the command line and the address have for them."""
