"""The `replay` command under limits and before a disk that may fail; told what by REPLAY_FAULTS, as JSON."""

import json
import os
import resource
import sys
from pathlib import Path

ROOT = str(Path(__file__).parent.parent.parent)
OF_CHILDREN = str(Path(__file__).parent / "of_children")


def main() -> None:
    sys.path.insert(0, ROOT)
    told = json.loads(os.environ.get("REPLAY_FAULTS", "{}"))
    if "folder" in told:
        from tests.faults.disk import install_told

        install_told(told)
        os.environ["PYTHONPATH"] = OF_CHILDREN
    for name, limit in told.get("limits", {}).items():
        # The hard limit too: a run raises the soft one of descriptors as far as it may.
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit, limit))
    from replay.cli.entry import main as replay

    replay()


if __name__ == "__main__":
    main()
