"""The course's small networks, and a network of one's own. They have no pretrained weights."""

from __future__ import annotations

from torch import nn

from core.errors import InputError
from core.models import small
from core.models.download import Report
from core.models.record import Backbone, WeightsEntry
from core.models.sources import Shape
from core.specs import Preprocessing

FAMILY, OWN_FAMILY = "Course networks", "Your own"
_YEARS = {"https://doi.org/10.1109/5.726791": 1998, "https://arxiv.org/abs/1702.05373": 2017}


class Course:
    """See :class:`core.models.sources.Source`."""

    def names(self) -> list[str]:
        """Returns the names of the small networks."""
        return list(small.NETWORKS)

    def record(self, name: str) -> Backbone:
        """Returns the network's record, its parameters counted from its design."""
        known = small.find(name) or small.OWN
        return Backbone(
            name=name,
            title=known.title,
            family=FAMILY if name in small.NETWORKS else OWN_FAMILY,
            parameters=_parameters(known),
            input_size=known.input_size,
            num_classes=known.num_classes,
            gflops=None,
            top1=None,
            weights_mb=None,
            year=_YEARS.get(known.paper, 0),
            paper=known.paper,
            source="course",
            channels=known.channels,
        )

    def entries(self, name: str) -> tuple[WeightsEntry, ...]:  # noqa: ARG002
        """Returns none."""
        return ()

    def categories(self, name: str, entry: str) -> tuple[str, ...]:  # noqa: ARG002
        """Returns none."""
        return ()

    def preprocessing(self, name: str, entry: str) -> Preprocessing:  # noqa: ARG002
        """Returns how pixels become its input."""
        known = small.find(name) or small.OWN
        return small.preprocessing(known.input_size, known.channels)

    def construct(self, name: str, shape: Shape, *, initialise: bool = False) -> nn.Module:  # noqa: ARG002
        """Builds it, from its own design or the one asked for."""
        known = small.find(name) or small.OWN
        design = shape.design or known.design
        if not design:
            raise InputError(
                "The network has no layers yet. Add at least one, or start from one of the small networks."
            )
        return small.construct(design, shape.channels, shape.image_size, known.num_classes)

    def pretrained(self, name: str, entry: str, shape: Shape, report: Report | None) -> nn.Module:  # noqa: ARG002
        """Refuses: there are no weights."""
        raise _none(name)

    def fetch(self, name: str, entry: str, report: Report | None) -> None:  # noqa: ARG002
        """Refuses: there are no weights."""
        raise _none(name)


def _none(name: str) -> InputError:
    return InputError("{name} has no pretrained weights. Choose random weights, or an earlier run's.", name=name)


def _parameters(network: small.SmallNetwork) -> int:
    if not network.design:
        return 0
    steps = small.trace_design(network.design, network.channels, network.input_size, network.num_classes)
    return sum(step.parameters for step in steps)
