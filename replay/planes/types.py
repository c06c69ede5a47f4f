"""What a modelled target is made of: spreads of time, the service model, and the answer to a request."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from replay.trace.types import Kind


class Spread(msgspec.Struct, frozen=True):
    """A lognormal time: half of the draws are below median_ms; sigma is the deviation of the logarithm.

    sigma 0 is a constant. The mean is median_ms * exp(sigma^2 / 2), the p99 median_ms * exp(2.326 * sigma).
    """

    median_ms: float
    sigma: float = 0.0


# Our choice, in the range that hosted models and internal services show; no measurement stands behind it.
USUAL_TIMES: Mapping[Kind, Spread] = MappingProxyType(
    {
        "llm": Spread(350.0, 0.35),
        "tool": Spread(120.0, 0.45),
        "mcp": Spread(60.0, 0.40),
        "http": Spread(40.0, 0.40),
    }
)


class ServiceModel(msgspec.Struct, frozen=True):
    """How long the target takes over a request, and how often it fails.

    by_kind, by_name: time to the answer; a name goes before its kind. For llm: time to the first token.
    between_tokens: time from one token to the next. speed divides every time.
    error_ratio: share of requests that are answered with 503.
    default_tokens: where the request sets no limit; token_limit: never more, whatever it sets.
    """

    by_kind: Mapping[Kind, Spread] = msgspec.field(default_factory=lambda: USUAL_TIMES)
    by_name: Mapping[str, Spread] = {}
    between_tokens: Spread = Spread(12.0, 0.30)
    default_tokens: int = 128
    token_limit: int = 8192
    speed: float = 1.0
    error_ratio: float = 0.0
    seed: int = 1


class Asked(msgspec.Struct, frozen=True):
    """What a request body says about the answer it wants; None where it says nothing."""

    max_tokens: int | None = None
    stream: bool = False


class Answer(msgspec.Struct, frozen=True):
    """What the target will do: wait, then answer; a stream goes on with further tokens.

    wait_ms: from the request's last byte to the first byte of the answer. draw: where this request's numbers
    start, from which its token gaps are taken. tokens: 0 for anything but a model call.
    """

    status: int
    wait_ms: float
    tokens: int = 0
    stream: bool = False
    draw: int = 0
