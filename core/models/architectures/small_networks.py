"""The small networks of the notes, as builders with settings and as a table. Loads no torch.

The free builder is the same with pieces of a person's own: :data:`OWN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from core.errors import InputError
from core.messages import N_
from core.models.architectures.layer_specs import Step, construct, trace_design
from core.specs import ModelSpec, Piece, Preprocessing

__all__ = [
    "NETWORKS",
    "OWN",
    "SmallNetwork",
    "Step",
    "alzheimer_cnn",
    "alzheimer_test1",
    "alzheimer_test2",
    "cats_and_dogs_small_2",
    "construct",
    "emnist_cnn",
    "find",
    "five_classes_cnn",
    "mnist_cnn",
    "preprocessing",
    "resolve",
    "stride_cnn",
    "trace_design",
]


@dataclass(frozen=True, slots=True)
class SmallNetwork:
    """A small network that is known by its name.

    Attributes:
        name: Stable name, as in :class:`core.specs.ModelSpec`.
        title: What a person calls it.
        description: Two or three sentences.
        paper: Where to read about it; empty where there is nothing.
        channels: 1 for gray images, 3 for RGB.
        input_size: Side of its square input, in pixels.
        num_classes: Classes it was meant for.
        design: Its pieces, without the last layer.
        single: Whether it tells two classes apart by one sigmoid output.
    """

    name: str
    title: str
    description: str
    paper: str
    channels: int
    input_size: int
    num_classes: int
    design: tuple[Piece, ...]
    single: bool = False


def mnist_cnn(channels: tuple[int, ...] = (10, 20), kernel: int = 5, hidden: int = 50) -> tuple[Piece, ...]:
    """Returns the course's MNIST network: convolutions with ReLU and pooling, then one hidden layer.

    With the defaults 28 px become 26, 13, 11 and 5, and 20 x 5 x 5 = 500 values enter the hidden layer.
    """
    pieces: list[Piece] = []
    for size in channels:
        pieces += [Piece("conv", size=size, kernel=kernel, padding=1), Piece("relu"), Piece("max-pool", kernel=2)]
    return (*pieces, Piece("flatten"), *_dense((hidden,)))


def emnist_cnn(channels: tuple[int, ...] = (6, 6), hidden: int = 50, slope: float = 0.01) -> tuple[Piece, ...]:
    """Returns the course's letters network: convolution, pooling, batch norm, leaky ReLU, twice; one hidden layer."""
    pieces: list[Piece] = []
    for size in channels:
        pieces += [
            Piece("conv", size=size, kernel=3, padding=1),
            Piece("max-pool", kernel=2),
            Piece("batch-norm"),
            Piece("leaky-relu", rate=slope),
        ]
    return (*pieces, Piece("flatten"), Piece("linear", size=hidden), Piece("leaky-relu", rate=slope))


def alzheimer_cnn(
    channels: tuple[int, ...] = (32, 32, 32, 32), hidden: tuple[int, ...] = (128, 64), dropout: float = 0.0
) -> tuple[Piece, ...]:
    """Returns the brain-scan network of the course: four convolutions, each with pooling, then dense 128 and 64."""
    return (*_blocks(channels), Piece("flatten"), *_dense(hidden, dropout))


def alzheimer_test1(
    channels: tuple[int, ...] = (32, 32), hidden: tuple[int, ...] = (128,), dropout: float = 0.0
) -> tuple[Piece, ...]:
    """Returns Testing Model 1: two convolutions, each with pooling, then dense 128."""
    return (*_blocks(channels), Piece("flatten"), *_dense(hidden, dropout))


def alzheimer_test2(
    channels: tuple[int, ...] = (32, 32), hidden: tuple[int, ...] = (128, 64), dropout: float = 0.0
) -> tuple[Piece, ...]:
    """Returns Testing Model 2: two convolutions, one pooling behind the second, then dense 128 and 64."""
    pieces: list[Piece] = []
    for size in channels:
        pieces += [Piece("conv", size=size, kernel=3, padding=1), Piece("relu")]
    return (*pieces, Piece("max-pool", kernel=2), Piece("flatten"), *_dense(hidden, dropout))


def five_classes_cnn(
    channels: tuple[int, ...] = (32, 64, 96, 96), hidden: tuple[int, ...] = (256,), dropout: float = 0.5
) -> tuple[Piece, ...]:
    """Returns a sequential network for photos of five classes: convolutions with pooling, one dense layer, dropout."""
    return (*_blocks(channels), Piece("flatten"), *_dense(hidden, dropout))


def cats_and_dogs_small_2(
    channels: tuple[int, ...] = (32, 64, 128, 128), hidden: int = 512, dropout: float = 0.5
) -> tuple[Piece, ...]:
    """Returns the network of Chollet's book for cats and dogs: convolutions without padding, dropout, one dense layer.

    With the defaults 150 px become 148, 74, 72, 36, 34, 17, 15 and 7, and 7 x 7 x 128 = 6,272 values enter the dense
    layer.
    """
    pieces: list[Piece] = []
    for size in channels:
        pieces += [Piece("conv", size=size, kernel=3), Piece("relu"), Piece("max-pool", kernel=2)]
    dense = (Piece("dropout", rate=dropout), Piece("linear", size=hidden), Piece("relu"))
    return (*pieces, Piece("flatten"), *dense)


def stride_cnn(channels: tuple[int, ...] = (32, 32), kernel: int = 3) -> tuple[Piece, ...]:
    """Returns a network that steps by 2 instead of pooling: 28 px become 14 and 7, and 1,568 values the classes."""
    pieces: list[Piece] = []
    for size in channels:
        pieces += [Piece("conv", size=size, kernel=kernel, stride=2, padding=kernel // 2), Piece("relu")]
    return (*pieces, Piece("flatten"))


def _blocks(channels: tuple[int, ...]) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    for size in channels:
        pieces += [Piece("conv", size=size, kernel=3, padding=1), Piece("relu"), Piece("max-pool", kernel=2)]
    return tuple(pieces)


def _dense(sizes: tuple[int, ...], dropout: float = 0.0) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    for size in sizes:
        pieces += [Piece("linear", size=size), Piece("relu")]
        if dropout:
            pieces.append(Piece("dropout", rate=dropout))
    return tuple(pieces)


_LISTED = (
    SmallNetwork(
        "mnist_cnn",
        N_("MNIST CNN"),
        N_(
            "The first convolutional network of the notes: two convolutions of 5 × 5 with pooling and one hidden layer "
            "of 50. It reads handwritten digits of 28 px and learns them in seconds."
        ),
        "https://doi.org/10.1109/5.726791",
        1,
        28,
        10,
        mnist_cnn(),
    ),
    SmallNetwork(
        "emnist_cnn",
        N_("EMNIST CNN"),
        N_(
            "The network of the notes for handwritten letters: six channels only, with batch norm and leaky ReLU "
            "behind each pooling. Its weights are made to be handed on: letters to digits, digits to clothes."
        ),
        "https://arxiv.org/abs/1702.05373",
        1,
        28,
        26,
        emnist_cnn(),
    ),
    SmallNetwork(
        "alzheimer_cnn",
        N_("Alzheimer CNN"),
        N_(
            "Four convolutions of 32 channels and 3 × 3, each with pooling, then dense layers of 128 and 64, for gray "
            "brain scans of 64 px. Its rivals have the same convolutions, but fewer."
        ),
        "",
        1,
        64,
        2,
        alzheimer_cnn(),
    ),
    SmallNetwork(
        "alzheimer_test1",
        N_("Alzheimer Testing Model 1"),
        N_(
            "The shallower rival of the Alzheimer CNN: two convolutions of 32 channels, each with pooling, and one "
            "dense layer of 128."
        ),
        "",
        1,
        64,
        2,
        alzheimer_test1(),
    ),
    SmallNetwork(
        "alzheimer_test2",
        N_("Alzheimer Testing Model 2"),
        N_(
            "Two convolutions of 32 channels with a single pooling behind the second, then dense 128 and 64. The "
            "missing pooling quadruples the first dense layer."
        ),
        "",
        1,
        64,
        2,
        alzheimer_test2(),
    ),
    SmallNetwork(
        "five_classes_cnn",
        N_("Five-class CNN"),
        N_(
            "A sequential network for colour photos of five classes, the kind that overfits on a few hundred pictures. "
            "The source gives no sizes; four convolutions of 32, 64, 96 and 96 channels and a dense layer of 256 with "
            "dropout are taken here."
        ),
        "",
        3,
        128,
        5,
        five_classes_cnn(),
    ),
    SmallNetwork(
        "cats_and_dogs_small_2",
        N_("Cats and dogs, small"),
        N_(
            "Four convolutions without padding, each with pooling, then dropout and a dense layer of 512. One sigmoid "
            "output tells the two classes apart, learned with binary cross-entropy (BCE); other numbers of classes get "
            "an output each."
        ),
        "https://www.manning.com/books/deep-learning-with-python",
        3,
        150,
        2,
        cats_and_dogs_small_2(),
        single=True,
    ),
    SmallNetwork(
        "stride_cnn",
        N_("Stride-2 CNN"),
        N_(
            "Two convolutions that step by 2 instead of pooling: 28 px become 14 and 7. Flattened, 1,568 values enter "
            "the last layer, whose 7,845 parameters for five classes the notes work out."
        ),
        "",
        1,
        28,
        5,
        stride_cnn(),
    ),
)

NETWORKS: Mapping[str, SmallNetwork] = MappingProxyType({network.name: network for network in _LISTED})
"""The small networks of the notes, by name."""

OWN = SmallNetwork(
    "own",
    N_("A network of your own"),
    N_("Built from the pieces you choose: convolutions, norms, activations, pools, dropout and dense layers."),
    "",
    3,
    64,
    10,
    (),
)
"""What a network of one's own takes as its input where nothing else is given. It has no pieces yet."""


def find(name: str) -> SmallNetwork | None:
    """Returns the small network of that name, ``own`` included; ``None`` for any other backbone."""
    return OWN if name == OWN.name else NETWORKS.get(name)


def resolve(spec: ModelSpec) -> tuple[tuple[Piece, ...], int, int] | None:
    """Returns design, channels and image size that ``spec`` asks for; ``None`` where it names no small network.

    Raises:
        InputError: The network of one's own has no pieces yet.
    """
    network = find(spec.backbone)
    if network is None:
        return None
    design = spec.design or network.design
    if not design:
        raise InputError("The network has no layers yet. Add at least one, or start from one of the small networks.")
    return design, spec.channels or network.channels, spec.image_size or network.input_size


def preprocessing(image_size: int, channels: int) -> Preprocessing:
    """Returns how pixels enter a small network: squeezed to its size and scaled to 0..1, nothing else."""
    return Preprocessing(image_size, image_size, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "bilinear", channels)
