"""What a training runs on: devices, compilation, replicas, hosts, and the versions of it all.

In: flags and the environment (Slurm, Kubernetes, TF_CONFIG). Out: a `Machine` and its `Workers`.
For what trains, measures or launches; none of it is part of a recipe.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
