"""What was measured of a heatmap is found again by another process, whole; what is damaged is measured anew."""

from __future__ import annotations

import torch
from tiny import tiny

from core.interpret.attribution.explain import explain
from core.interpret.explanation_metrics.faithfulness import Settings
from core.workflows.inspection import trust_store
from core.workflows.inspection.trust import Options, trust
from core.workflows.inspection.trust_verdict import trust_verdict, verdict

KEY = ("a run", "best", 17, "a picture", "grad-cam", None, 0, None, (("steps", 12),))


def test_all_that_was_measured_comes_back() -> None:
    network = tiny()
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    few = Options(Settings(steps=3, windows=6, road=(0.5,)), randoms=2, jitters=1)
    found = trust(network, x, explain(network, x).heatmap, options=few)
    assert trust_store.load(KEY) is None
    trust_store.save(KEY, found)
    again = trust_store.load(KEY)
    assert again is not None
    assert again.compared() == found.compared()
    assert verdict(again) == verdict(found)
    assert trust_verdict(again) == trust_verdict(found)
    assert (again.region.mask == found.region.mask).all()
    assert (again.region.box, again.likeness, again.seconds) == (found.region.box, found.likeness, found.seconds)
    assert trust_store.load((*KEY[:-1], ())) is None


def test_what_is_damaged_is_removed() -> None:
    path = trust_store.CACHE.path(trust_store._name(KEY))
    path.parent.mkdir(parents=True)
    for content in (b"", b"{}", b'{"record": "Trust"}', b'{"record": "os"}', b'{"zlib": "eA==", "dtype": "<f4"}'):
        path.write_bytes(content)
        assert trust_store.load(KEY) is None
        assert not path.exists()
