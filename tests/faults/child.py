"""The `replay` command under limits and before a disk that may fail; told what by REPLAY_FAULTS, as JSON."""

import json
import os
import resource
import sys
from pathlib import Path

ROOT = str(Path(__file__).parent.parent.parent)


def main() -> None:
    sys.path.insert(0, ROOT)
    told = json.loads(os.environ.pop("REPLAY_FAULTS", "{}"))
    if "folder" in told:
        from tests.faults.disk import Disk, Full

        log = Path(told["log"]) if told.get("log") else None
        Disk(Path(told["folder"]), log, Full(*told["full"]) if told.get("full") else None).install()
    for name, limit in told.get("limits", {}).items():
        # The hard limit too: a run raises the soft one of descriptors as far as it may.
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit, limit))
    from replay.cli.entry import main as replay

    replay()


if __name__ == "__main__":
    main()
