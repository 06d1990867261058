"""Looking inside a network: heatmaps, feature maps, kernels, and how far to trust what is seen.

:mod:`~core.interpret.probe` opens a network without leaving a trace, :mod:`~core.interpret.attribution.explain` makes
heatmaps, :mod:`~core.interpret.features.activations` and :mod:`~core.interpret.filters.kernels` give feature maps and
kernels, and :mod:`~core.interpret.drawing.overlay` draws all of them. Nothing is imported here, so that drawing does
not load torch's heavier neighbours.
"""
