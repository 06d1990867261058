"""One sigmoid output for two classes, as a pair of logits that cross-entropy, metrics and heatmaps can read."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SigmoidOutput(nn.Linear):
    """A linear layer with one output z, the log of the odds of the second of two classes.

    It answers with the logits (-z/2, z/2). Their softmax is (1 - sigmoid(z), sigmoid(z)), and their cross-entropy is
    the binary cross-entropy (BCE) of sigmoid(z), value and gradient alike; so whatever reads two logits reads it.

    Args:
        in_features: Features of its input, B x ``in_features``.
        dropout: Probability of dropping a feature while it trains.

    Attributes:
        classes: 2, the number of logits.
    """

    classes = 2

    def __init__(self, in_features: int, dropout: float = 0.0) -> None:
        super().__init__(in_features, 1)
        self.dropout = dropout

    def forward(self, input: Tensor) -> Tensor:
        """Returns the two logits of the features ``input``, B x 2."""
        half = super().forward(F.dropout(input, self.dropout, self.training)) / 2
        return torch.cat((-half, half), dim=-1)
