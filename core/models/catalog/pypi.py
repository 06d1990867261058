"""EfficientNet-Lite, whose weights come as Python packages."""

from __future__ import annotations

from torch import nn

from core.models.architectures import efficientnet_lite, families
from core.models.architectures.build_modes import Uninitialised
from core.models.architectures.records import AVAILABLE, DOWNLOAD, Backbone, WeightsEntry
from core.models.catalog.source import Shape
from core.models.weights.download import Report
from core.specs import Preprocessing

_ENTRY = "IMAGENET1K"
_RECIPE = "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite"


class Packages:
    """See :class:`core.models.catalog.source.Source`."""

    def names(self) -> list[str]:
        """Returns all sizes."""
        return list(efficientnet_lite.VARIANTS)

    def record(self, name: str) -> Backbone:
        """Returns the network's record, from its authors' table."""
        variant = efficientnet_lite.VARIANTS[name]
        title, family = families.find(name)
        return Backbone(
            name=name,
            title=title,
            family=family.title,
            parameters=variant.parameters,
            input_size=variant.size,
            num_classes=1000,
            gflops=variant.gflops,
            top1=variant.top1,
            weights_mb=variant.weights_mb,
            year=family.year,
            paper=family.paper,
            source=efficientnet_lite.package(name),
        )

    def entries(self, name: str) -> tuple[WeightsEntry, ...]:
        """Returns its one set of weights."""
        variant = efficientnet_lite.VARIANTS[name]
        return (
            WeightsEntry(
                name=_ENTRY,
                title="ImageNet-1K",
                top1=variant.top1,
                top5=None,
                size_mb=variant.weights_mb,
                classes=1000,
                input_size=variant.size,
                gflops=variant.gflops,
                note="These weights were trained with TensorFlow by the network's authors.",
                recipe=_RECIPE,
                state=AVAILABLE if efficientnet_lite.weights_file(name) else DOWNLOAD,
                default=True,
            ),
        )

    def categories(self, name: str, entry: str) -> tuple[str, ...]:  # noqa: ARG002
        """Returns ImageNet's classes in their usual order, the one that torchvision's entries carry."""
        from torchvision.models import ResNet18_Weights

        return tuple(ResNet18_Weights.DEFAULT.meta["categories"])

    def preprocessing(self, name: str, entry: str) -> Preprocessing:  # noqa: ARG002
        """Returns how pixels become its input."""
        return efficientnet_lite.preprocessing(name)

    def construct(self, name: str, shape: Shape, *, initialise: bool = False) -> nn.Module:  # noqa: ARG002
        """Builds it without weights."""
        return efficientnet_lite.EfficientNetLite(efficientnet_lite.VARIANTS[name])

    def pretrained(self, name: str, entry: str, shape: Shape, report: Report | None) -> nn.Module:  # noqa: ARG002
        """Builds it with its package's weights."""
        with Uninitialised():
            model = self.construct(name, shape)
        efficientnet_lite.load_weights(model, name)
        return model

    def fetch(self, name: str, entry: str, report: Report | None) -> None:  # noqa: ARG002
        """Says how the weights are installed, where they are not."""
        if efficientnet_lite.weights_file(name) is None:
            raise efficientnet_lite.missing(name)
