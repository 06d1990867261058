"""Backbone Lab's core: data, backbones, training, evaluation and interpretation in plain PyTorch.

The package knows neither Streamlit nor Plotly. Its floors, from the ground up:

* ``errors``, ``settings``, ``specs``, ``device``: what everything else speaks in;
* ``data``, ``models``, ``runs``: images, networks, run folders;
* ``training``, ``evaluation``, ``interpret``: what is done with them;
* ``lab``: the one place where runs, networks and images meet;
* ``cli``: the command line.

Importing ``core``, ``core.specs``, ``core.settings``, ``core.errors``, ``core.runs`` or
``core.training.recipes`` loads neither torch nor torchvision, so that a page can list runs at once.
"""

import os

# Threads that wait for work sleep instead of spinning. Where other processes share the cores (a trainer beside the
# server, two people at once) spinning costs a factor of ten; alone it gains nothing that could be measured. The
# variable is read when torch's threads are first loaded, so it must be set before anybody imports torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
