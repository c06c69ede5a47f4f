"""Sends what redirects lead to, at once, and records them as attempts that did not end their step."""

from collections.abc import Callable

from replay.engine.attempt import Attempt, Follows, Sender
from replay.engine.budget import Till
from replay.engine.dispatch.composer import Composer
from replay.engine.records.recorder import Recorder
from replay.engine.types import Progress


class LedOn:
    """One run's redirects. stop: ends the run, since the budget is spent."""

    def __init__(
        self,
        follows: Follows,
        sender: Sender,
        composer: Composer,
        recorder: Recorder,
        till: Till | None,
        progress: Progress,
        now: Callable[[], int],
        stop: Callable[[], None],
    ) -> None:
        self.leads_on, self._wires = follows.leads_on, sender.wires
        self._composer, self._recorder, self._till = composer, recorder, till
        self._progress, self._now, self._stop = progress, now, stop

    def take(self, attempt: Attempt) -> bool:
        """Whether an answer was a redirect, and what it leads to was sent; one that leads nowhere has failed."""
        if not self.leads_on(attempt):
            return False
        onward = self._composer.onward(attempt, self._now())
        if isinstance(onward, str):
            attempt.error, attempt.why = "redirect", onward
            return False
        if self._till is not None:
            self._till.settle(attempt)
            if not self._till.pays(onward.step, onward.body):
                self._stop()
                return False
        # It has ended, and no step with it.
        self._progress.retried += 1
        self._progress.sent += 1
        self._recorder.redirected(attempt)
        self._wires[onward.place].send(onward)
        return True


def led_on(
    sender: Sender,
    composer: Composer,
    recorder: Recorder,
    till: Till | None,
    progress: Progress,
    now: Callable[[], int],
    stop: Callable[[], None],
) -> LedOn | None:
    """None where the target has no redirects followed."""
    if sender.redirects is None:
        return None
    return LedOn(sender.redirects, sender, composer, recorder, till, progress, now, stop)
