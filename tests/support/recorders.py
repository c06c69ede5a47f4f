"""`replay trace record`, as a process of its own."""

import os
import re
import resource
import signal
import subprocess
import sys

from replay.trace.file.stream import open_trace

LONGEST_S = 30.0


class Recorded:
    """A running `replay trace record`. url: where it listens. most_file_bytes: as if the disk had no room for more."""

    def __init__(self, out, *options, most_file_bytes=None):
        self.out = out
        self.journal = out.with_name(out.name + ".journal")
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "replay",
                "trace",
                "record",
                "--listen",
                "127.0.0.1:0",
                "-o",
                str(out),
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Python keeps what it compiles, and takes half a file for a whole one where no more could be written.
            env=None if most_file_bytes is None else {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            preexec_fn=None
            if most_file_bytes is None
            else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most_file_bytes, most_file_bytes)),
        )
        self.first_lines = []
        for line in self._process.stderr:
            self.first_lines.append(line)
            found = re.match(r"recording on (http://\S+), to ", line)
            if found:
                self.url = found[1]
                return
        raise AssertionError(f"not listening: {''.join(self.first_lines)}")

    def stop(self, number=signal.SIGINT):
        """Returns the exit code, stdout and stderr."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        out, err = self._process.communicate(timeout=LONGEST_S)
        return self._process.returncode, out, err

    def sessions(self):
        with open_trace(self.out) as reader:
            return list(reader)
