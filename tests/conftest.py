"""What all tests share: the cluster."""

from tests.cluster.fixtures import *  # noqa: F403
from tests.cluster.selection import *  # noqa: F403
