"""Which steps go elsewhere, and what their answers have to be."""

from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from replay.target.auth import Auth
from replay.target.login import Login
from replay.target.sending import Shape
from replay.target.urls import check_url
from replay.trace.types import Expect
from replay.trace.values.expect import expect_problem


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Steps that go elsewhere, or are waited for instead.

    Another origin gets nothing that authorises requests to the target's own URL: no [auth], no header that may hold a
    secret, no client certificate, no token of [login], no cookies; `auth` says otherwise."""

    kind: Annotated[
        str | None, Meta(description="The kind of steps that it is for, * for anything; absent: all.")
    ] = None
    name: Annotated[
        str | None, Meta(description="The name of steps that it is for, * for anything; absent: all.")
    ] = None
    send_to: Annotated[str | None, Meta(description="The URL that they go to.")] = None
    wait: Annotated[
        bool, Meta(description="Whether they only take their recorded time, and nothing is sent.")
    ] = False
    shape: Annotated[
        Shape | None,
        Meta(description="How model calls there become requests; absent: as [shape] of the target says."),
    ] = None
    http2: Annotated[
        bool | None, Meta(description="Whether to speak HTTP/2 there; absent: as http2 of the target says.")
    ] = None
    auth: Annotated[
        Auth | Literal["target"] | None,
        Meta(
            description=(
                "How requests there are authorised. target: with all that goes to the target's own URL."
            )
        ),
    ] = None

    login: Annotated[
        Login | None,
        Meta(
            description=(
                "How sessions log in there; absent: as [login] of the target says, where its credentials go and the "
                "route has none of its own."
            )
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.wait == (self.send_to is not None):
            raise ValueError("a route needs one of send_to and wait")
        if self.send_to is not None:
            check_url(self.send_to)
            return
        for name in ("auth", "login", "shape", "http2"):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} of a route goes with send_to: nothing is sent for a wait")


class ExpectRule(Expect, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """What the answers to steps of one kind and name have to be."""

    kind: Annotated[
        str | None, Meta(description="The kind of steps that it is for, * for anything; absent: all.")
    ] = None
    name: Annotated[
        str | None, Meta(description="The name of steps that it is for, * for anything; absent: all.")
    ] = None

    def __post_init__(self) -> None:
        problem = expect_problem(expected_of(self))
        if problem is not None:
            raise ValueError(problem)


def is_for(rule: Route | ExpectRule, kind: str, name: str) -> bool:
    """Whether it is for steps of this kind and name."""
    return (rule.kind is None or fnmatchcase(kind, rule.kind)) and (
        rule.name is None or fnmatchcase(name, rule.name)
    )


def expected_of(rule: ExpectRule) -> Expect:
    """What a rule expects, whichever steps it is for."""
    return Expect(**{name: getattr(rule, name) for name in Expect.__struct_fields__})
