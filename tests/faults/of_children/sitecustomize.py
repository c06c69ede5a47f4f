"""Python begins with this in the processes that a command under test starts: they see the same disk."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.faults.disk import install_told

install_told(json.loads(os.environ.get("REPLAY_FAULTS", "{}")))
