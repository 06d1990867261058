"""Class activation maps beside those of torch-cam, an independent implementation.

Grad-CAM++ is held against the paper's own derivatives in ``test_attribution`` instead: torch-cam 0.5 divides a copy of
its alpha, which leaves alpha undivided.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from core.interpret.attribution.explain import explain_many
from core.models.network import Network, bare

methods = pytest.importorskip("torchcam.methods")
PEERS = {"grad-cam": "GradCAM", "layer-cam": "LayerCAM", "xgrad-cam": "XGradCAM"}


@pytest.fixture(scope="module", params=["resnet18", "mobilenet_v3_small", "vgg11"])
def network(request: pytest.FixtureRequest) -> Network:
    return bare(request.param, "none", seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("depth", ["last", "middle"])
def test_maps_agree_with_torch_cam(network: Network, depth: str) -> None:
    x = torch.randn(1, 3, 7, 7, generator=torch.Generator().manual_seed(2))
    x = F.interpolate(x, (224, 224), mode="bilinear", align_corners=False)
    layer = network.anatomy.cam_layer
    if depth == "middle":
        candidates = [row.name for row in network.anatomy.layers if row.output_shape[-2:] == (28, 28)]
        layer = next(name for name in candidates if "relu" not in name)
    ours = explain_many(network, x, tuple(PEERS), target=7, layer=layer)
    for method, peer in PEERS.items():
        if method == "xgrad-cam" and network.name.startswith("mobilenet"):
            continue  # the sums that torch-cam adds 1e-8 to are smaller than that here
        with getattr(methods, peer)(network.model, layer) as extractor:
            logits = network.model(x.clone().requires_grad_())
            (cam,) = extractor(7, logits, normalized=False)
        theirs = F.interpolate(cam[None].double(), (224, 224), mode="bilinear", align_corners=False)[0, 0].numpy()
        found = ours[method].heatmap
        assert np.corrcoef(found.values.ravel(), theirs.ravel())[0, 1] >= 0.999, method
        raw = found.values * (found.high - found.low) + found.low
        assert np.abs(raw - theirs).max() <= 1e-5 * np.abs(theirs).max(), method
