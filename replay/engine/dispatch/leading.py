"""Sends what redirects lead to, at once, and records them as attempts that did not end their step."""

from collections.abc import Callable, Sequence

from replay.engine.attempt import Attempt, Follows, Sends
from replay.engine.budget import Till
from replay.engine.counting import Progress
from replay.engine.dispatch.composer import Composer
from replay.engine.records.recorder import Recorder
from replay.results.types import INTERRUPTED


class LedOn:
    """One run's redirects. stop: ends the run, since the budget is spent."""

    def __init__(
        self,
        follows: Follows,
        wires: Sequence[Sends],
        composer: Composer,
        recorder: Recorder,
        till: Till | None,
        progress: Progress,
        now: Callable[[], int],
        stop: Callable[[], None],
    ) -> None:
        self.leads_on, self._wires = follows.leads_on, wires
        self._composer, self._recorder, self._till = composer, recorder, till
        self._progress, self._now, self._stop = progress, now, stop

    def sends_on(self, attempt: Attempt, *, is_stopping: bool) -> bool:
        """Whether what a redirect leads to was sent. Where it was not, the attempt ends its step, and has failed."""
        if is_stopping:
            attempt.error = INTERRUPTED
            return False
        onward = self._composer.onward(attempt, self._now())
        if isinstance(onward, str):
            attempt.error, attempt.why = "redirect", onward
            return False
        if self._till is not None and not self._till.pays(onward.step, onward.body):
            attempt.error = INTERRUPTED
            self._stop()
            return False
        # It has ended, and no step with it.
        self._progress.retried += 1
        self._progress.began(onward.step.kind, onward.step.name)
        self._recorder.retried(attempt)
        attempt.captured = None
        self._wires[onward.place].send(onward)
        return True


def led_on(
    follows: Follows | None,
    wires: Sequence[Sends],
    composer: Composer,
    recorder: Recorder,
    till: Till | None,
    progress: Progress,
    now: Callable[[], int],
    stop: Callable[[], None],
) -> LedOn | None:
    """One run's redirects, where it follows any."""
    return None if follows is None else LedOn(follows, wires, composer, recorder, till, progress, now, stop)
