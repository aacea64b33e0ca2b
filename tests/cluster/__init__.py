"""A real single-node Kubernetes on this machine, for tests: see README.md beside this file.

`from tests.cluster import Cluster`, or the fixtures in `tests.cluster.fixtures`, or `python -m tests.cluster up`.
Only the standard library is used.
"""

from tests.cluster.cluster import Cluster

__all__ = ["Cluster"]
