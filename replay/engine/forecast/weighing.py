"""What the requests of a run come to before it is made: by method and host, in bytes, tokens and money.

Each request is rendered as in the run, but for credentials, which a forecast does not need, and for values that only
responses give.
"""

from collections import Counter
from collections.abc import Iterator

import msgspec

from replay.engine.budget import Tokens, expected_tokens, is_model_call, price_of
from replay.engine.forecast.specimens import as_curl, as_grpcurl
from replay.engine.grpc.descriptors import Unfit
from replay.engine.requests.login import logins_of
from replay.engine.requests.render import Renderer
from replay.target.auth import Auth
from replay.target.target import Target
from replay.trace.errors import shown
from replay.trace.origins import origin_of
from replay.trace.profile.carried import CarriedTally
from replay.trace.types import Step
from replay.wire.signin.credentials import Credentials
from replay.words.phrases import counted

# A trace may name any number of methods; further ones are counted together.
_MOST_METHODS = 20
_OTHER = "others"
_SHOWN = 5


class Weighing:
    """Adds up requests. methods, hosts, destinations: how many by each, and by both; bytes: of all, with their heads;
    first: the first few as commands for curl, after the logins that they need. unfit: gRPC calls that cannot be made as
    the trace has them; the first of them and why is unfit_example. carried: by model calls known by their counts.
    """

    def __init__(self, target: Target, places: list[Target]) -> None:
        self._cost = target.cost
        self._asks_on_sockets = target.shape.websocket
        credentials = Credentials(Auth())
        self._renderers = [Renderer(place, place.url, credentials, "forecast") for place in places]
        self._places = places
        self._hosts = [_host(place) for place in places]
        self.methods: Counter[str] = Counter()
        self.hosts: Counter[str] = Counter()
        self.destinations: Counter[tuple[str, str]] = Counter()
        self.first: list[str] = []
        # What stands for a secret is its name.
        self._logins = logins_of(target, places, [credentials] * len(places), "forecast", "(from {})".format)
        self._shown_logins: set[int] = set()
        self._last_in: dict[int, str] = {}
        self._logged_in: Counter[int] = Counter()
        self.unfit = 0
        self.unfit_example = ""
        self.carried = CarriedTally()
        self.bytes = self.model_calls = self.input_tokens = self.output_tokens = 0

    def add(self, where: int, step: Step, session_id: str) -> None:
        """A request that would be sent; where: the index of its place."""
        try:
            rendered = self._renderers[where].render(step, session_id)
        except Unfit as unfit:
            # What stands for a value may fit once it is filled in.
            if step.grpc is None or b"{{" not in bytes(step.grpc.message):
                self.unfit += 1
                self.unfit_example = self.unfit_example or f"step {shown(step.name)}: {unfit}"
            return
        login = self._logins[where]
        if login is not None and self._last_in.get(login.place) != session_id:
            self._last_in[login.place] = session_id
            self._logged_in[login.place] += 1
        method, head, body = rendered.method, rendered.head, rendered.body
        is_known = method in self.methods or len(self.methods) < _MOST_METHODS
        named = method if is_known else _OTHER
        self.methods[named] += 1
        self.hosts[self._hosts[where]] += 1
        self.destinations[named, self._hosts[where]] += 1
        if len(self.first) < _SHOWN and step.ws is None and not (self._asks_on_sockets and step.llm):
            # curl has no commands for messages.
            place = self._places[where]
            self._add_login(where)
            self.first.append(as_curl(rendered, place) if step.grpc is None else as_grpcurl(step.grpc, place))
        self.bytes += len(head) + len(body)
        if is_model_call(step, body):
            tokens = expected_tokens(step, body)
            self.model_calls += 1
            self.input_tokens += tokens.prompt
            self.output_tokens += tokens.answer
            if step.llm is not None:
                self.carried.add(step.llm)

    def _add_login(self, where: int) -> None:
        """Before the first command that needs a login, that of the login, with references as they are written."""
        login = self._logins[where]
        if login is None or login.place in self._shown_logins or len(self.first) + 1 >= _SHOWN:
            return
        self._shown_logins.add(login.place)
        step = login.step_for(lambda _: None)
        place = msgspec.structs.replace(self._places[login.place], login=None)
        rendered = login.renderer.render(step, "forecast")
        self.first.append(as_curl(rendered, place, names_secrets=True))

    @property
    def notes(self) -> Iterator[str]:
        """What is sent besides the requests."""
        for place, sessions in self._logged_in.items():
            login = self._logins[place]
            assert login is not None
            verb = "logs" if sessions == 1 else "log"
            said = f"{counted(sessions, 'session')} {verb} in first, with {login.login.shown} at {self._hosts[place]}"
            yield f"{said}; logins are not among the requests above"

    @property
    def model_cost(self) -> float | None:
        """What the model calls would cost; None where the target file has no price of them."""
        cost = self._cost
        if cost is None or not (cost.call_price or cost.token_price_million):
            return None
        rest = price_of(cost, Tokens(self.input_tokens, self.output_tokens)) - cost.call_price
        return round(rest + self.model_calls * cost.call_price, 6)


def _host(place: Target) -> str:
    return place.unix_socket or origin_of(place.url) or place.url
