"""Where runs, networks and images meet: the only place that knows all three.

``worker`` is what a training process runs, and loads torch only once the device is its own; ``train`` carries an
experiment out; ``networks`` turns a run or a backbone's name into a network; ``evaluate`` judges a run.
"""
