"""The target's side of a run: for each step, the wire to send it on and the bytes to send."""

from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from replay.dialects.asked import prompting_of
from replay.engine.attempt import Gathers
from replay.engine.requests.call_places import refuse_unspoken
from replay.engine.requests.conversations import Conversations
from replay.engine.requests.destinations import bare_urls
from replay.engine.requests.login import logins_of
from replay.engine.requests.redirects import Redirects
from replay.engine.requests.render import Renderer
from replay.engine.requests.router import Router
from replay.target.secrets import secret_from_env
from replay.target.target import NO_HTTP2, Target
from replay.target.urls import ASGI_PREFIX
from replay.trace.origins import origin_of
from replay.trace.redaction.shown_urls import shown_url
from replay.wire.addresses import AddressBook
from replay.wire.errors import TargetMiswritten
from replay.wire.http1.wire import Http1Wire
from replay.wire.proxying import Forwarded, ProxyBook, Tunnel, proxy_before
from replay.wire.signin.credentials import Credentials
from replay.wire.types import Wire
from replay.wire.websocket.wire import WebSocketWire
from replay.words.numbers import count
from replay.words.phrases import counted


class TargetSender:
    """Routes, renders and sends the steps of one run to one target.

    decide(step): the index in renderers and wires that this step belongs to, or WAIT. withholds(step): whether it is a
    wait only because the run is read-only. places: for each renderer and wire, the target as that place may see it.
    prepares: whether connections for requests are opened ahead. websockets: for each place, what holds those to it.
    waits_for: what it is waiting for while it opens, in words.
    """

    def __init__(self, target: Target, run_id: str, *, read_only: bool = False) -> None:
        self._target = target
        self._router = Router(target, read_only=read_only)
        self.places = self._router.places
        # One for each place; places that are authorised alike share it, so that a command runs once.
        self._credentials: list[Credentials] = []
        self.wires: list[Wire] = []
        self.renderers: list[Renderer] = []
        self._opened = AsyncExitStack()
        for n, place in enumerate(self.places):
            alike = next((m for m in range(n) if self.places[m].auth == place.auth), None)
            self._credentials.append(Credentials(place.auth) if alike is None else self._credentials[alike])
            self.wires.append(_wire(place, place.url))
            self.renderers.append(Renderer(place, place.url, self._credentials[n], run_id))
        self.logins = logins_of(target, self.places, self._credentials, run_id, secret_from_env)
        self.waits_for = "getting ready"
        # Opened as steps need them.
        self.websockets = [WebSocketWire(place, place.url) for place in self.places]
        self.conversation: Conversations | None = None
        if target.shape.websocket and target.shape.kind != "template":
            conversing = prompting_of(target.shape.kind).conversing
            assert conversing is not None
            self.conversation = Conversations(target.shape, conversing, self.renderers)
        self.gathering: list[Gathers] = [wire for wire in self.wires if isinstance(wire, Gathers)]
        self.decide, self.withholds = self._router.decide, self._router.withholds
        # An application that shares this process and its event loop.
        self.has_guest = any(place.url.startswith(ASGI_PREFIX) for place in self.places)
        # Through httpx an answer waits for the turn of its task, for which there is no bound.
        self.stamps_at_once = target.transport == "fast"
        self.mcp = target.mcp
        self.redirects: Redirects | None = None
        if target.redirects.follow:
            roots = [
                Renderer(place, origin_of(place.url) or place.url, credentials, run_id)
                for place, credentials in zip(self.places, self._credentials, strict=True)
            ]
            self.redirects = Redirects(self.places, roots, target.redirects.follow)
        self.prepares = True
        self.keeps_by_session = target.connections.reuse == "session"

    def __repr__(self) -> str:
        return f"<TargetSender {self._target.name}: {self.wires}>"

    def refuse_unspoken(self, calls: Mapping[tuple[str, str], bool]) -> None:
        """Raises TargetError where a place cannot take the gRPC calls that go there."""
        refuse_unspoken(self._target, self._router, calls)

    async def open(self) -> None:
        """Get ready; raises TargetUnreachable if a URL of the target cannot be reached."""
        try:
            for credentials in dict.fromkeys(self._credentials):
                self.waits_for = f"waiting for {credentials.source_name}"
                await credentials.open()
                self._opened.push_async_callback(credentials.close)
            for place, wire in zip(self.places, self.wires, strict=True):
                self.waits_for = f"connecting to {shown_url(place.url)}"
                await wire.open()
                self._opened.push_async_callback(wire.close)
            for socket_wire in self.websockets:
                self._opened.push_async_callback(socket_wire.close)
        except BaseException:
            await self._opened.aclose()
            raise

    async def close(self) -> None:
        """End what is in flight, and close every connection."""
        await self._opened.aclose()

    def sweep(self, now_ns: int) -> None:
        for wire in self.wires:
            wire.sweep(now_ns)
        for socket_wire in self.websockets:
            socket_wire.sweep(now_ns)

    def prepare(self, connections: int) -> None:
        """Have about so many connections; steps to further URLs are few, and open theirs when they come."""
        if self.prepares:
            self.wires[0].prepare(connections)

    def refused(self, place: int, sent_ns: int) -> None:
        """A request that was sent to this place then was answered with 401."""
        self._credentials[place].refused(sent_ns)

    def end_session(self, session_key: Any) -> None:
        for wire in self.wires:
            wire.end_session(session_key)

    @property
    def _all(self) -> list[Wire | WebSocketWire]:
        return [*self.wires, *self.websockets]

    @property
    def waited_for_limit(self) -> int:
        return sum(wire.waited_for_limit for wire in self._all)

    @property
    def waited_for_machine(self) -> int:
        return sum(wire.waited_for_machine for wire in self._all)

    @property
    def shortage(self) -> str | None:
        """What this machine ran out of, and what to raise; None if it never did."""
        return next((wire.shortage for wire in self._all if wire.shortage is not None), None)

    def connection_counts(self) -> dict[str, int]:
        return {
            "opened": sum(wire.opened for wire in self._all),
            "closed_while_idle": sum(wire.closed_while_idle for wire in self._all),
            "stale_resent": sum(wire.stale_resent for wire in self.wires),
        }

    def notes(self) -> list[str]:
        """What a reader of the figures should know of how the steps were sent."""
        notes = []
        if self._target.transport == "httpx":
            notes.append("sent through httpx, which manages far fewer requests a second than the fast path")
        plans = dict.fromkeys(wire.plan for wire in self.wires if wire.plan is not None)
        notes += [f"sent by {plan}" for plan in plans]
        if unasked := sum(wire.unasked for wire in self.websockets):
            notes.append(f"{counted(unasked, 'message')} came on WebSockets while no step waited for one")
        clamped = sum(renderer.clamped_prompts for renderer in self.renderers)
        if clamped:
            notes.append(f"{clamped} prompts were cut to the longest that is sent")
        if bare := bare_urls(self._target):
            notes.append(
                f"requests to {', '.join(bare)} went without the target's credentials, which belong to its own origin"
            )
        failed: Counter[str] = Counter()
        for credentials in dict.fromkeys(self._credentials):
            failed[credentials.source_name] += credentials.failed_renewals
        notes += [f"{name} failed {count(n)} times; the old value was used" for name, n in failed.items() if n]
        return notes


def _fast_wire(target: Target, url: str) -> Wire:
    proxy = proxy_before(target, url)
    addresses = AddressBook(target, url) if proxy is None else ProxyBook(target, url, proxy)
    if proxy is not None and not addresses.is_tls:
        if target.http2:
            raise TargetMiswritten(f"{url}: {NO_HTTP2}.")
        return Http1Wire(target, addresses, connection=partial(Forwarded, proxy=proxy, url=url))
    tunnel = None if proxy is None else Tunnel(proxy, url)
    if target.http2:
        # As with httpx below: it brings tables of HPACK.
        from replay.wire.http2.wire import Http2Wire

        return Http2Wire(target, addresses, tunnel=tunnel)
    return Http1Wire(target, addresses, tunnel=tunnel)


def _wire(target: Target, url: str) -> Wire:
    if target.transport == "fast":
        return _fast_wire(target, url)
    # Imported here because importing httpx takes longer than starting all the rest of a run.
    from replay.wire.httpx.wire import HttpxWire

    return HttpxWire(target, url)
