"""How requests go out to a target: secured, over which connections, in which shape, and how often."""

from typing import Annotated, Literal
from urllib.parse import quote

import msgspec
from msgspec import Meta

from replay.dialects.asked import prompting_of
from replay.dialects.types import GrpcStatus, ModelLayout
from replay.target.checking import LONGEST_S, check_address, check_header, check_positive
from replay.target.urls import check_host


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How connections are secured."""

    verify: Annotated[bool, Meta(description="Whether the target's certificate is checked.")] = True
    ca_file: Annotated[
        str | None, Meta(description="A file of certificates to trust, instead of the system's.")
    ] = None
    client_cert: Annotated[str | None, Meta(description="The file of a client certificate.")] = None
    client_key: Annotated[str | None, Meta(description="The file of its key, where that is another.")] = None
    server_name: Annotated[
        str | None, Meta(description="The name that the certificate has to be of, where it is not the host.")
    ] = None

    def __post_init__(self) -> None:
        if self.server_name is not None:
            check_host(self.server_name)


class Connections(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How connections are kept and shared."""

    reuse: Annotated[
        Literal["pool", "session", "none"],
        Meta(
            description=(
                "pool: any idle one. session: each agent run keeps its own. none: a new one for each request."
            )
        ),
    ] = "pool"
    max: Annotated[int, Meta(description="How many are open at once, at most.")] = 4096
    streams_per_connection: Annotated[
        int,
        Meta(
            description=(
                "With HTTP/2: how many requests are under way on one connection at once, at most; fewer where the "
                "target allows fewer. One more connection is opened when those that are open are full."
            )
        ),
    ] = 100
    prepare: Annotated[
        bool,
        Meta(description=("Whether connections are opened before the run, so that no step pays for that.")),
    ] = True
    dns_ttl_s: Annotated[
        float,
        Meta(
            description=(
                "How long an address is used for new connections until the name is looked up again, "
                "in the background, in s."
            )
        ),
    ] = 60.0
    local_addresses: Annotated[
        tuple[str, ...],
        Meta(
            description=(
                "IP addresses of this machine that connections are opened from in turn, each with local ports of its "
                "own; none: the one that the system takes."
            )
        ),
    ] = ()

    def __post_init__(self) -> None:
        check_positive(self, "max", "streams_per_connection", "dns_ttl_s", most=LONGEST_S)
        for address in self.local_addresses:
            check_address("local_addresses", address)


class Timeouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How long things may take."""

    connect_s: Annotated[float, Meta(description="To connect, in s.")] = 10.0
    first_byte_s: Annotated[float, Meta(description="From sending to the first byte of the answer, in s.")] = (
        120.0
    )
    idle_s: Annotated[float, Meta(description="Between two reads, in s.")] = 60.0
    total_s: Annotated[float, Meta(description="From sending to the end of the answer, in s.")] = 600.0

    def __post_init__(self) -> None:
        check_positive(self, "connect_s", "first_byte_s", "idle_s", "total_s", most=LONGEST_S)


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a model call that is known by its token counts becomes a request."""

    kind: Annotated[
        ModelLayout | Literal["template"],
        Meta(description="The API in which it asks, or a template of its requests' bodies."),
    ] = "openai-chat"
    path: Annotated[
        str | None,
        Meta(description="Where; absent: where that API has it. {model} in it stands for the model's name."),
    ] = None
    template: Annotated[
        str | None,
        Meta(
            description=(
                "For kind template: a file with a body in JSON, in which {{prompt}}, {{input_tokens}}, "
                "{{output_tokens}}, {{model}}, {{stream}}, {{session}} and {{step}} stand for what each call has."
            )
        ),
    ] = None
    model: Annotated[str | None, Meta(description="The model to ask for, instead of the trace's.")] = None
    salt: Annotated[
        str, Meta(description="Changes every prompt, so that no cache of an earlier run helps.")
    ] = ""
    websocket: Annotated[
        bool,
        Meta(
            description=(
                "Whether a session asks on a WebSocket that it holds, and goes on from its earlier answers: with kind "
                "openai-responses."
            )
        ),
    ] = False
    ignore_eos: Annotated[
        bool,
        Meta(
            description=("Whether to ask the server to generate all the tokens of the trace (vLLM and others).")
        ),
    ] = False

    def __post_init__(self) -> None:
        path = self.path
        if path is not None and (not path.startswith("/") or not path.isprintable() or " " in path):
            raise ValueError("path must begin with / and hold no spaces")
        if (self.template is None) == (self.kind == "template"):
            raise ValueError('template goes with kind = "template"')
        if self.kind == "template":
            if path is None:
                raise ValueError('kind = "template" needs the path at which models are asked')
            if self.ignore_eos:
                raise ValueError("ignore_eos belongs in the template")
        if self.websocket and (self.kind == "template" or prompting_of(self.kind).conversing is None):
            raise ValueError(f"websocket goes with openai-responses; {self.kind} has none that is known")
        if self.kind != "template" and self.ignore_eos and not prompting_of(self.kind).can_ignore_eos:
            raise ValueError(f"ignore_eos is nothing that can be asked for in {self.kind}")

    def asked_at(self, model: str, *, is_stream: bool) -> str:
        """The path at which a model is asked, by its name, for a stream or for an answer that comes whole."""
        path = self.path
        if path is None:
            # That a template has one was seen to.
            assert self.kind != "template"
            prompting = prompting_of(self.kind)
            path = (is_stream and prompting.stream_path) or prompting.path
        return path.replace("{model}", quote(model, safe="", errors="replace"))


class WebSocket(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How WebSockets are spoken."""

    compress: Annotated[
        bool,
        Meta(description="Whether messages may be compressed, where the target agrees (permessage-deflate)."),
    ] = False


RetriedError = Literal[
    "connect",
    "dns",
    "tls",
    "reset",
    "closed",
    "timeout",
    "protocol",
    "proxy",
    "app",
    "check",
    "rpc_error",
    "grpc_error",
    "tool_error",
    "graphql_error",
    "input_required",
    "model_error",
    "cut_short",
]


class Retry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an agent would send again, and when. Every attempt is recorded; response time counts them all."""

    attempts: Annotated[int, Meta(description="How often a step is tried at most, the first included.")] = 1
    statuses: Annotated[tuple[int, ...], Meta(description="The statuses after which it is tried again.")] = (
        429,
        502,
        503,
        504,
    )
    grpc_statuses: Annotated[
        tuple[GrpcStatus, ...], Meta(description="How a gRPC call ends that is then tried again.")
    ] = ("UNAVAILABLE",)
    errors: Annotated[
        tuple[RetriedError, ...], Meta(description="The classes of failures after which it is tried again.")
    ] = ("connect", "reset", "timeout")
    backoff_s: Annotated[
        float,
        Meta(
            description=(
                "The most that the first wait lasts, in s; it is drawn from zero to that, and "
                "doubles with each further one."
            )
        ),
    ] = 0.5
    max_backoff_s: Annotated[float, Meta(description="The most that any wait lasts, in s.")] = 30.0
    retry_after: Annotated[
        bool, Meta(description="Whether to wait as long as the response's Retry-After says.")
    ] = True
    budget_percent: Annotated[
        float, Meta(description="The most that retries may be, as a percentage of the requests sent.")
    ] = 20.0
    unsafe: Annotated[bool, Meta(description="Whether to repeat POST and PATCH as well.")] = False
    idempotency_header: Annotated[
        str | None,
        Meta(
            description=(
                "A header with the same value in all attempts of a step; steps that have it may be "
                "repeated, too."
            )
        ),
    ] = None
    stale_unsafe: Annotated[
        bool,
        Meta(
            description=(
                "Whether to resend POST and PATCH, too, when a kept-alive connection turns out closed."
            )
        ),
    ] = False

    def __post_init__(self) -> None:
        check_positive(self, "attempts", "backoff_s", "max_backoff_s", "budget_percent", most=LONGEST_S)
        if self.idempotency_header is not None:
            check_header(self.idempotency_header, "")


class Follow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whether redirects are followed, which a recording shows as steps of their own."""

    follow: Annotated[
        int,
        Meta(
            ge=0,
            le=50,
            description=(
                "How many are followed, one after the other, where the recording has none: to the origins of url and "
                "of routes, with the credentials of each. 0: none."
            ),
        ),
    ] = 0


class SessionRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a session keeps from one step to the next."""

    cookies: Annotated[
        bool, Meta(description="Whether it keeps the cookies that the target sets, while it lasts.")
    ] = False
