"""One modelled instance: it listens on a port of its own, and answers when its model says.

An Instance carries out what the script plans, with its work shared among its requests; a Line is one connection of the
gateway to it. Nothing ends before its modelled time: timers that fire early are set again. Timers that fire late (by up
to 1 ms under uvloop) delay bytes but not the model: what follows counts from the modelled instant.
"""

import asyncio
import re
from typing import cast

import msgspec

from replay.dialects.types import Scripted
from replay.http.framing import Body, FramingError
from replay.http.heads import Refused, RequestHead, read_request, request_body
from replay.planes.core.types import InstanceId
from replay.planes.modelled.answers import (
    ANSWERED,
    AWAY,
    CHUNKED,
    CONTINUE,
    FAILED,
    NOT_RECORDED,
    answered,
    head_of,
    plain,
)
from replay.planes.modelled.asking import NOTHING_ASKED, BodyScan, kind_and_name, scan_for
from replay.planes.modelled.cpu import InstanceCpu
from replay.planes.modelled.holding import open_socket
from replay.planes.modelled.house import House, Job
from replay.planes.modelled.replies import USUAL, Reply, prepared, replied
from replay.planes.modelled.script import UNKNOWN, Plan, Recorded, ids_of, key_of, recorded_of, told_of
from replay.planes.modelled.sockets import HeldSocket
from replay.planes.modelled.tools import is_mcp_server, spoken
from replay.planes.modelled.wording import Wording, answer_name, wording_at
from replay.planes.recorded.bodies import NO_BODY, Filled, filled
from replay.planes.recorded.keys import MOST_BODY_BYTES
from replay.planes.recorded.types import Question

HOST = "127.0.0.1"
_MS = 1_000_000
_NS = 1_000_000_000
_SLOW_PARTS = 8
_EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)

_NOTHING_SAID = Scripted(b"", 0, 0)


class Instance:
    """One instance: its listening port, its connections, and the work of its requests."""

    def __init__(self, number: InstanceId, house: House) -> None:
        self.number = number
        self.house = house
        self.work: InstanceCpu[Job] = InstanceCpu(house.cpu, house.spec.sharing, house.now())
        self.lines: set[Line] = set()
        self.requests = 0
        self.port = 0
        self.is_ready = self.is_gone = False
        self.booting: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._told_milli_vcpu = 0

    def __repr__(self) -> str:
        return f"<Instance {self.number} {'ready' if self.is_ready else 'booting'}, {self.work!r}>"

    async def listen(self) -> None:
        self._server = await self._loop.create_server(lambda: Line(self), HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        if self.is_gone:
            self._server.close()

    def close(self) -> None:
        self.is_gone = True
        self.house.background_done += self.work.done
        self.house.background_lost += self.work.left
        if self.booting is not None and not self.is_ready:
            self.booting.cancel()
        if self._server is not None:
            self._server.close()
        if self._timer is not None:
            self._timer.cancel()
        for line in list(self.lines):
            line.abort()

    def begin(self, job: Job, time_ms: float) -> None:
        """A request has come in whole, or a message; its first part is due after so much work."""
        self.settle()
        if self.is_gone or job.plan is None:
            return
        self._add(job, job.plan, time_ms, self.house.now())
        if not self.lacks_memory():
            self._wake_at_next_end()

    def lacks_memory(self) -> bool:
        """Whether its requests need more than there is; then it dies."""
        spec = self.house.spec
        if spec.memory_mib is None:
            return False
        requests = sum(line.is_busy for line in self.lines)
        if spec.idle_mib + requests * spec.request_mib <= spec.memory_mib:
            return False
        self.house.killed_for_memory += 1
        self.house.die(self.number)
        return True

    def give_up(self, job: Job) -> None:
        """Whoever asked is gone."""
        if not self.is_gone:
            self.settle()
            self.work.leave(job, self.house.now())
            self._wake_at_next_end()

    def settle(self) -> None:
        """Let happen what is due by now, each at its own instant: a token may be followed by others that are due."""
        now_ns = self.house.now()
        while not self.is_gone and (end_ns := self.work.next_end_ns()) is not None and end_ns <= now_ns:
            for job in self.work.finished(end_ns):
                plan, left_ms = job.plan, job.background_ms
                gap_ms = job.go_on()
                if self.is_gone:
                    return
                if gap_ms is not None and plan is not None:
                    self._add(job, plan, gap_ms, end_ns)
                elif left_ms:
                    self.work.leave_behind(left_ms * _MS, end_ns)

    def _add(self, job: Job, plan: Plan, time_ms: float, now_ns: int) -> None:
        """Begin the next part of a request, among those of others."""
        self.work.add(job, time_ms * _MS, now_ns, plan.cpu_share)

    def _tell_cpu(self) -> None:
        used = self.work.used_milli_vcpu
        if used != self._told_milli_vcpu and not self.is_gone:
            self._told_milli_vcpu = used
            self.house.owner.cpu_used(self.number, used)

    def _wake_at_next_end(self) -> None:
        self._tell_cpu()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        end_ns = self.work.next_end_ns()
        if end_ns is not None and not self.is_gone:
            self._timer = self._loop.call_later(max(0, end_ns - self.house.now()) / _NS, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.settle()
        self._wake_at_next_end()


class Line(asyncio.Protocol):
    """One connection to an instance: one request at a time, the next waits in the buffer."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._house = instance.house
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._buffer = b""
        self._body: Body | None = None
        self._scan: BodyScan | None = None
        self._wording: Wording | None = None
        self._method = self._path = self._key = b""
        self._recorded: Recorded | None = None
        self._question: Question | None = None
        self._asked_body: bytearray | None = (
            None  # the request's, where a recording or an MCP server answers it; None: too large
        )
        self._reply = USUAL
        self._keeps_alive = self._can_stream = True
        self._is_chunked = False
        self._plan: Plan | None = None
        self._socket: HeldSocket | None = None
        self._scripted = _NOTHING_SAID
        self._body_sent = Filled(b"")
        self._sent = 0  # tokens, or parts of a slow body

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's by their methods, not by their class.
        self._transport = cast(asyncio.Transport, transport)
        self._instance.lines.add(self)
        if self._instance.is_gone:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._plan = None
        self._instance.lines.discard(self)
        if self._socket is not None:
            self._socket.lost()
        else:
            self._instance.give_up(self)

    def pause_writing(self) -> None:
        if self._socket is not None:
            self._socket.full(True)

    def resume_writing(self) -> None:
        if self._socket is not None:
            self._socket.full(False)

    def abort(self) -> None:
        self._transport.abort()

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way: a WebSocket is one for as long as it lasts."""
        return self._plan is not None or self._socket is not None

    @property
    def plan(self) -> Plan | None:
        """Of the request under way."""
        return self._plan

    @property
    def background_ms(self) -> float:
        """What the request under way leaves behind."""
        return self._plan.background_ms if self._plan is not None else 0.0

    def data_received(self, data: bytes) -> None:
        if self._socket is not None:
            self._socket.received(data)
            return
        self._buffer += data
        try:
            self._read()
        except (FramingError, Refused):
            self._transport.write(plain(400, b"", keep_alive=False))
            self._transport.close()

    def _read(self) -> None:
        """Take the next request from the buffer, and begin it when it is whole."""
        while self._plan is None and self._buffer:
            if self._body is None:
                end = self._buffer.find(b"\r\n\r\n")
                if end < 0:
                    return
                text, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
                head = read_request(text, takes_sockets=True)
                if head.is_upgrade:
                    early, self._buffer = self._buffer, b""
                    self._socket = open_socket(self._instance, self._transport, head, text)
                    if self._socket is not None and not self._instance.lacks_memory() and early:
                        self._socket.received(early)
                    return
                self._read_head(head, text)
            body = self._body
            assert body is not None
            taken = body.take(self._buffer)
            if self._scan is not None:
                self._scan.feed(self._buffer[:taken])
            if not self._is_chunked:
                self._keep(self._buffer[:taken])
            self._buffer = self._buffer[taken:]
            if not body.is_over:
                return
            self._body = None
            self._begin()

    def _read_head(self, head: RequestHead, text: bytes) -> None:
        self._method = head.method
        self._path = head.target.partition(b"?")[0]
        self._keeps_alive = head.keeps_alive
        self._can_stream = not head.is_old
        self._key = key_of(text)
        self._recorded = recorded_of(text) if self._house.spec.as_recorded else None
        self._scan = scan_for(self._path)
        self._wording = wording_at(self._path)
        self._is_chunked = head.is_chunked
        self._body = request_body(head, self._keep)
        if self._house.recording is not None:
            self._asked_body = bytearray()
            usual = kind_and_name(self._path)
            self._question = Question(head.method, head.target, None, ids_of(text), told_of(text), usual)
        elif is_mcp_server(self._path):
            self._asked_body = bytearray()
        if _EXPECTS.search(text):
            self._transport.write(CONTINUE)

    def _keep(self, data: bytes) -> None:
        """Keep what a body brings, for a recording or an MCP server that answers."""
        if self._asked_body is None:
            return
        self._asked_body += data
        if len(self._asked_body) > MOST_BODY_BYTES:
            self._asked_body = None

    def _begin(self) -> None:
        house = self._house
        own = house.came()
        asked = self._scan.asked() if self._scan is not None else NOTHING_ASKED
        recorded, self._reply, is_known = self._recorded, USUAL, True
        if house.recording is not None and self._question is not None:
            body = self._asked_body
            question = self._question._replace(body=None if body is None else bytes(body))
            answer = house.recording.answer(question)
            own_reply = prepared(question, answer, house.recording.tools)
            is_known = answer is not None or own_reply is not None
            if answer is not None:
                can_tell = self._scan is not None and self._method == b"POST"
                recorded, asked, self._reply = replied(answer, question, asked, can_tell_tokens=can_tell)
            self._reply = own_reply or self._reply
        elif is_mcp_server(self._path):
            said = spoken(self._method, None if self._asked_body is None else bytes(self._asked_body))
            self._reply = Reply(said.status, body=Filled(said.body))
        else:
            self._reply = Reply(body=Filled(answered(kind_and_name(self._path)[1])))
        plan = UNKNOWN
        if is_known:
            if asked.stream and not self._can_stream:
                asked = msgspec.structs.replace(asked, stream=False)
            key = self._key or own
            plan = house.script.plan(self._method, self._path, asked, key, house.elapsed_s(), recorded)
        house.counts[plan.fate] += 1
        house.counts["slow"] += plan.is_slow
        self._plan = plan
        prompt = self._reply.prompt_tokens
        if prompt is None:
            prompt = 0 if self._scan is None else self._scan.prompt_tokens
        self._scripted = Scripted(answer_name(house.requests), plan.tokens, prompt, asked.tells_usage)
        self._sent = 0
        self._instance.begin(self, plan.work_ms)

    def go_on(self) -> float | None:
        """Do what is due; returns the time in ms until the next part of the answer, None where there is none."""
        plan = self._plan
        if plan is None:
            return None
        if plan.fate == "dies":
            self._house.die(self._instance.number)
        elif plan.fate == "resets":
            self._break_off()
        elif plan.fate == "away":
            self._finish(self._whole(self._house.spec.faults.error_status, AWAY))
        elif plan.fate == "fails":
            self._finish(self._whole(self._house.spec.faults.error_status, FAILED))
        elif plan.fate == "unknown":
            self._finish(self._whole(404, NOT_RECORDED))
        elif plan.stream:
            return self._send_token(plan)
        elif plan.body_ms is not None and self._method != b"HEAD" and (self._sent or self._answer(plan).size):
            return self._send_part(plan, plan.body_ms)
        else:
            self._send_whole(self._answer(plan))
        return None

    def _send_whole(self, body: Filled) -> None:
        self._transport.write(self._head(body))
        if self._method != b"HEAD":
            self._write(body, 0, body.size)
        self._finish(b"")

    def _head(self, body: Filled) -> bytes:
        reply = self._reply
        framing = b"" if reply.status in NO_BODY else b"content-length: %d\r\n" % body.size
        return head_of(
            reply.status, reply.content_type, framing, keep_alive=self._keeps_alive, first=reply.lines
        )

    def _write(self, body: Filled, start: int, stop: int) -> None:
        for part in body.between(start, stop):
            self._transport.write(part)

    def _break_off(self) -> None:
        """End the connection in the middle of an answer: had none begun, a gateway may well ask again."""
        self._plan = None
        if self._method != b"HEAD":
            self._transport.write(plain(200, ANSWERED, keep_alive=self._keeps_alive)[: -len(ANSWERED) // 2])
        self._transport.close()

    def _send_token(self, plan: Plan) -> float | None:
        wording = self._wording
        assert wording is not None
        out = b""
        if not self._sent:
            reply = self._reply
            stream_type = wording.stream_type
            out = head_of(reply.status, stream_type, CHUNKED, keep_alive=self._keeps_alive, first=reply.lines)
        out += wording.token(self._scripted, self._sent)
        self._sent += 1
        if self._sent == plan.tokens:
            self._finish(out + wording.end(self._scripted))
            return None
        self._transport.write(out)
        if plan.body_ms is not None:
            return plan.body_ms / (plan.tokens - 1)
        return self._house.script.gap_ms(plan.random) if plan.gap_ms is None else plan.gap_ms

    def _send_part(self, plan: Plan, body_ms: float) -> float | None:
        """Send the head, then the body in equal parts over its time."""
        if not self._sent:
            self._body_sent = self._answer(plan)
            self._transport.write(self._head(self._body_sent))
        body, n = self._body_sent, self._sent
        part_bytes = -(-body.size // _SLOW_PARTS)
        if n:
            self._write(body, (n - 1) * part_bytes, n * part_bytes)
        self._sent += 1
        if n * part_bytes >= body.size:
            self._finish(b"")
            return None
        return body_ms / -(-body.size // part_bytes)

    def _answer(self, plan: Plan) -> Filled:
        reply = self._reply
        if not plan.tokens or self._wording is None or self._scan is None:
            return reply.body
        return filled(self._wording.whole(self._scripted), reply.size_bytes)

    def _whole(self, status: int, body: bytes) -> bytes:
        return plain(status, body, keep_alive=self._keeps_alive, head_only=self._method == b"HEAD")

    def _finish(self, data: bytes) -> None:
        if data:
            self._transport.write(data)
        self._plan = None
        self._body_sent = Filled(b"")
        if not self._keeps_alive:
            self._transport.close()
        elif self._buffer:
            # Not from here: the instance is in the middle of settling what is due.
            asyncio.get_running_loop().call_soon(self.data_received, b"")
