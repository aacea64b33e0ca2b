"""The servers' own fixtures."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.servers.fixtures import *  # noqa: F403
