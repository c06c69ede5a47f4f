"""Where the `replay` command begins: before anything else is imported, since Ctrl-C may come that early, and since
there may be too little memory to import it all.
"""

import gc
import os
import sys

_EXIT_NOT_CARRIED_OUT = 4
_EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the command line.

    Until a command is carried out no garbage is looked for: what imports make stays, and to look through it again and
    again took a tenth of a short command. Nor is it at the end, where the interpreter would look through all there is.

    numpy's OpenBLAS has one thread, unless the environment says otherwise. It would start one a core, with memory for
    each, which spin for one another wherever something else is at work, as a generator of load always is.
    """
    gc.disable()
    _fill_closed_streams()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        try:
            from replay.system.interrupts import ending_at_once

            with ending_at_once():
                from replay.system.addresses import hold_to_room

                hold_to_room()
                from replay.cli.main import main as run
        except (ImportError, MemoryError, OSError) as error:
            if os.environ.get("REPLAY_DEBUG"):
                raise
            why = str(error) or "out of memory"
            print(f"replay: cannot be started on this machine: {why}.", file=sys.stderr)
            sys.exit(_EXIT_NOT_CARRIED_OUT)
        run()
    except KeyboardInterrupt:
        sys.exit(_EXIT_INTERRUPTED)
    finally:
        gc.freeze()


def _fill_closed_streams() -> None:
    """Put the null device where whoever started this has closed standard input, output or error.

    Or the first socket that is opened takes its number, and what is printed goes there; libuv ends the process for it.
    """
    for stream in (0, 1, 2):
        try:
            os.fstat(stream)
        except OSError:
            # The lowest number that is free.
            os.open(os.devnull, os.O_RDWR)
