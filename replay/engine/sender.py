"""The target's side of a run: for each step, the wire to send it on and the bytes to send."""

from typing import Any

from replay.target import Target
from replay.trace.types import Step
from replay.wire.addresses import AddressBook
from replay.wire.credentials import Credentials
from replay.wire.http1 import Http1Wire
from replay.wire.httpx_wire import HttpxWire
from replay.wire.render import Renderer, Router
from replay.wire.types import Wire


class TargetSender:
    """Routes, renders and sends the steps of one run to one target."""

    def __init__(self, target: Target, run_id: str) -> None:
        self._target = target
        self._router = Router(target)
        self._credentials = Credentials(target.auth)
        self._wires: list[Wire] = []
        self._renderers: list[Renderer] = []
        for url in self._router.urls:
            if target.transport == "fast":
                self._wires.append(Http1Wire(target, AddressBook(target, url)))
            else:
                self._wires.append(HttpxWire(target, url))
            self._renderers.append(Renderer(target, self._credentials, url=url, run_id=run_id))
