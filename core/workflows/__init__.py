"""Where runs, networks and images meet: the only place that knows all three.

``trainer_process`` trains a run in a process of its own; ``network_loading`` and ``checkpoints`` turn the name of a run
or backbone into a network; ``evaluate`` rates a run; ``jobs``, ``advisor``, ``coach``, ``inspection``, ``shortcut``,
``leak`` and ``export`` do what their names say.
"""
