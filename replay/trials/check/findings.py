"""What a check makes of what it saw, a topic a function. Pure."""

from replay.judge.check import Finding
from replay.trials.check.across import about_clock, about_correlation
from replay.trials.check.answered import about_answers, about_statuses, about_streams, about_tokens
from replay.trials.check.asked import about_bodies, about_changes, about_machine, about_origin, about_sample
from replay.trials.check.getting_in import about_beginning, about_connection, about_credentials, about_redirects
from replay.trials.check.seen import Seen


def findings(seen: Seen) -> list[Finding]:
    """Everything that there is to say, topic by topic."""
    found = [*about_connection(seen), *about_beginning(seen)]
    if seen.summary is not None:
        for look in (
            about_credentials,
            about_redirects,
            about_statuses,
            about_answers,
            about_streams,
            about_tokens,
            about_clock,
            about_correlation,
        ):
            found += look(seen)
    for look in (about_changes, about_machine, about_bodies, about_origin, about_sample):
        found += look(seen)
    return found
