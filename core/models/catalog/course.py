"""The course's small networks, and a network of one's own. They have no pretrained weights."""

from __future__ import annotations

from torch import nn

from core.errors import InputError
from core.models.architectures import small_networks
from core.models.architectures.records import Backbone, WeightsEntry
from core.models.catalog.source import Shape
from core.models.weights.download import Report
from core.specs import Preprocessing

FAMILY, OWN_FAMILY = "Course networks", "Your own"
_YEARS = {"https://doi.org/10.1109/5.726791": 1998, "https://arxiv.org/abs/1702.05373": 2017}


class Course:
    """See :class:`core.models.catalog.source.Source`."""

    def names(self) -> list[str]:
        """Returns the names of the small networks."""
        return list(small_networks.NETWORKS)

    def record(self, name: str) -> Backbone:
        """Returns the network's record, its parameters counted from its design."""
        known = small_networks.find(name) or small_networks.OWN
        return Backbone(
            name=name,
            title=known.title,
            family=FAMILY if name in small_networks.NETWORKS else OWN_FAMILY,
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
        known = small_networks.find(name) or small_networks.OWN
        return small_networks.preprocessing(known.input_size, known.channels)

    def construct(self, name: str, shape: Shape, *, initialise: bool = False) -> nn.Module:  # noqa: ARG002
        """Builds it, from its own design or the one asked for."""
        known = small_networks.find(name) or small_networks.OWN
        design = shape.design or known.design
        if not design:
            raise InputError(
                "The network has no layers yet. Add at least one, or start from one of the small networks."
            )
        return small_networks.construct(
            design, shape.channels, shape.image_size, known.num_classes, single=known.single
        )

    def pretrained(self, name: str, entry: str, shape: Shape, report: Report | None) -> nn.Module:  # noqa: ARG002
        """Refuses: there are no weights."""
        raise _none(name)

    def fetch(self, name: str, entry: str, report: Report | None) -> None:  # noqa: ARG002
        """Refuses: there are no weights."""
        raise _none(name)


def _none(name: str) -> InputError:
    return InputError("{name} has no pretrained weights. Choose random weights, or an earlier run's.", name=name)


def _parameters(network: small_networks.SmallNetwork) -> int:
    if not network.design:
        return 0
    steps = small_networks.trace_design(
        network.design, network.channels, network.input_size, network.num_classes, single=network.single
    )
    return sum(step.parameters for step in steps)
