"""Which steps go elsewhere, and what their answers have to be."""

from typing import Literal

import msgspec

from replay.target.sending import Auth
from replay.target.urls import check_url
from replay.trace.types import Expect
from replay.trace.values.expect import expect_problem


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Steps of this kind and name (a glob; None matches all): send them elsewhere, or wait instead.

    auth: how requests there are authorised. "target": with all that goes to the target's own URL. Otherwise another
    origin gets nothing of that: no [auth], no header that may hold a secret, no client certificate, no cookies.
    """

    kind: str | None = None
    name: str | None = None
    send_to: str | None = None
    wait: bool = False
    auth: Auth | Literal["target"] | None = None

    def __post_init__(self) -> None:
        if self.wait == (self.send_to is not None):
            raise ValueError("a route needs one of send_to and wait")
        if self.send_to is not None:
            check_url(self.send_to)
        elif self.auth is not None:
            raise ValueError("auth of a route goes with send_to: nothing is sent for a wait")


class ExpectRule(Expect, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """What the answers to steps of this kind and name have to be (globs; None matches all)."""

    kind: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        problem = expect_problem(expected_of(self))
        if problem is not None:
            raise ValueError(problem)


def expected_of(rule: ExpectRule) -> Expect:
    """What a rule expects, whichever steps it is for."""
    return Expect(**{name: getattr(rule, name) for name in Expect.__struct_fields__})
