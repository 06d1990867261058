"""What a row of the table of methods says, and what it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from torch import Tensor

from core.errors import InputError
from core.interpret.attribution.equations import EQUATIONS
from core.interpret.forward import Forward
from core.interpret.target import ScoreTarget
from core.messages import Progress
from core.specs.checks import whole

if TYPE_CHECKING:
    from core.models.anatomy.examine import Anatomy
    from core.models.network import Network

Family = Literal["cam", "gradient", "perturbation", "relevance", "attention", "baseline"]
FAMILIES: Mapping[Family, str] = {
    "cam": "Class activation maps",
    "gradient": "Gradients of the pixels",
    "perturbation": "Hiding parts of the picture",
    "relevance": "Shares handed back layer by layer",
    "attention": "Attention",
    "baseline": "For comparison",
}
"""Families of methods and their titles, in the order to be offered."""
Server = Literal["captum", "own"]
BY_GAP = 0
"""Steps of a method whose shares add up: as many as it takes for them to do so, see :func:`explain`."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A whole number that a method can be given.

    Attributes:
        id: Stable name.
        title: Name for people.
        default: Usual value.
        low: Smallest value.
        high: Largest value.
        help: What it does, in one sentence.
    """

    id: str
    title: str
    default: int
    low: int
    high: int
    help: str

    def check(self, value: object) -> int:
        """Returns the value if it may be one.

        Raises:
            InputError: It is no whole number, or out of bounds.
        """
        return whole(self.id, value, low=self.low, high=self.high)


@dataclass(frozen=True, slots=True, eq=False)
class AttributionRequest:
    """What a method is asked for.

    Attributes:
        network: The network, in any mode; it is left as it was.
        x: One normalised image, 1xCxHxW.
        aim: What is explained.
        layer: The layer, for methods that look at one.
        settings: A value for each of the method's settings.
        progress: Called now and then with passes done and passes in all; what it raises ends the work.
    """

    network: Network
    x: Tensor
    aim: ScoreTarget
    layer: str | None
    settings: Mapping[str, int]
    progress: Progress | None = None

    def forward(self, total: int) -> Forward:
        """Returns what scores so many images in all for it."""
        return Forward(self.network, self.aim, total, self.progress)


class Attributor(Protocol):
    """A method of captum's."""

    def attribute(self, inputs: Tensor, **given: object) -> Tensor:
        """Returns what each value of the inputs is worth."""
        ...


CamFormula = Callable[[Tensor, Tensor], Tensor]
Procedure = Callable[[AttributionRequest], Tensor]


@dataclass(frozen=True, slots=True)
class Method:
    """A row of :data:`core.interpret.attribution.registry.METHODS`.

    Attributes:
        id: Stable name.
        title: Name as the field writes it.
        description: What it does, in one sentence.
        paper: Authors, year and arXiv number or venue.
        family: One of :data:`FAMILIES`.
        signed: Whether its maps have a sign.
        unavailable: Takes a network and returns why the method cannot work there, a constant sentence; ``None`` if it
            can.
        formula: For a method that shares one pass with others: activations and gradients of a layer, CxHxW each, to a
            map HxW.
        procedure: For any other: a request to a map HxW.
        layered: Whether it looks at a layer, which can be chosen.
        settings: What it can be given.
        per_pixel: Whether its maps are grains rather than regions.
        follows_class: Whether its maps depend on the class.
        passes: Roughly how many forward passes it costs with the usual settings, there and back counting as one.
        adds_up: Whether the values of its map are shares of the score's rise above that of a plain mean-coloured
            picture, which they add up to the closer, the more steps or samples there are.
        served_by: Whose code carries it out.
    """

    id: str
    title: str
    description: str
    paper: str
    family: Family
    unavailable: Callable[[Network], str | None]
    signed: bool = False
    formula: CamFormula | None = None
    procedure: Procedure | None = None
    layered: bool = False
    settings: tuple[Setting, ...] = ()
    per_pixel: bool = False
    follows_class: bool = True
    passes: int = 1
    adds_up: bool = False
    served_by: Server = "own"

    @property
    def equation(self) -> str:
        """What it works out, as LaTeX; see :mod:`core.interpret.attribution.equations`."""
        return EQUATIONS[self.id]

    @property
    def needs_layer(self) -> bool:
        """Whether the method looks at a layer, which can be chosen."""
        return self.layered

    @property
    def needs(self) -> str:
        """What the method looks at, ``layer`` or ``input``."""
        return "layer" if self.layered else "input"

    @property
    def defaults(self) -> dict[str, int]:
        """The settings' usual values."""
        return {setting.id: setting.default for setting in self.settings}

    def cost(self, given: Mapping[str, int], anatomy: Anatomy) -> int:
        """Estimates the forward passes that some settings cost; "all channels" are those of the CAM layer."""
        settings = self.defaults | dict(given)
        if "channels" in settings:
            layer = anatomy.layers_by_name.get(anatomy.cam_layer)
            every = layer.channels if layer is not None else 1
            tried = min(settings["channels"] or every, every)
            return max(2, round(self.passes * tried / max(self.defaults["channels"], 1)))
        for name in ("samples", "steps", "regions"):
            if name in settings:
                usual = self.defaults[name]
                return max(2, round(self.passes * settings[name] / usual) if usual else settings[name] or self.passes)
        if settings.get("window") or settings.get("stride"):
            side = anatomy.input_size
            window = settings["window"] or -(-side // 7)
            return int((1 + max(side - window, 0) / (settings["stride"] or window)) ** 2) + 1
        return self.passes

    def completed(self, given: Mapping[str, int] | None) -> dict[str, int]:
        """Returns a value for every setting: the given one, else the usual one.

        Raises:
            InputError: There is no such setting, or it cannot have that value.
        """
        known = {setting.id: setting for setting in self.settings}
        for name in given or {}:
            if name not in known:
                raise InputError(
                    "{method} has no setting {name}. It has: {known}.",
                    method=self.title,
                    name=name,
                    known=", ".join(known) or "-",
                )
        return self.defaults | {name: known[name].check(value) for name, value in (given or {}).items()}
