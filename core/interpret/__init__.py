"""Looking inside a network: where it looked, what its layers answer, what its kernels seek.

:mod:`~core.interpret.probe` opens a network without leaving a trace, :mod:`~core.interpret.attribution` makes heatmaps,
:mod:`~core.interpret.activations` and :mod:`~core.interpret.filters` give feature maps and kernels, and
:mod:`~core.interpret.render` draws all of them. Nothing is imported here, so that drawing does not load torch's heavier
neighbours.
"""
