"""A worker that comes to a conductor on another machine, run after run, until no conductor is there any more."""

from replay.errors import ReplayError
from replay.scale.meeting import join
from replay.scale.secrets import NotTrusted, shared_token
from replay.scale.worker import Worker
from replay.words.numbers import seconds

# A conductor may be started after its workers; and between two runs, as between the levels of a ceiling, it judges.
_FIRST_S = 300.0
_NEXT_S = 30.0


class NoConductor(ReplayError):
    """None came in time, or one that does not know the secret; str() is the whole message."""


def serve(address: tuple[str, int], index: int) -> None:
    """Raises NoConductor, and InputError where the environment holds no secret."""
    token = shared_token()
    where = f"{address[0]}:{address[1]}"
    served = 0
    while True:
        try:
            sock = join(address, token, index, _NEXT_S if served else _FIRST_S)
        except NotTrusted as cause:
            if served:
                return
            raise NoConductor(
                f"{where}: no conductor that would take worker {index} ({cause}). Set the same secret on both, and a "
                "number below that of its workers."
            ) from cause
        if sock is None:
            if served:
                return
            raise NoConductor(f"{where}: no conductor was there within {seconds(_FIRST_S)}.")
        Worker(sock, index).run()
        served += 1
