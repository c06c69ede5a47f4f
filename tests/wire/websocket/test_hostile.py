"""What a target may do on a WebSocket: breaches, floods, closes, silence. No sockets."""

import pytest

from replay.trace.types import Until
from replay.websocket.frames import FrameCutter, frame_bytes
from replay.websocket.messages import closing
from replay.websocket.types import BINARY, CLOSE, NO_CODE, PING, PONG, TEXT
from tests.fuzz.harnesses.answers import Turns
from tests.fuzz.harnesses.websocket import SWITCHES, asking, connected

SWITCHED = SWITCHES + b"\r\n"
LIMITS_NS = (1_000, 2_000, 3_000, 4_000)


def said(opcode, payload=b""):
    return frame_bytes(opcode, payload, is_masked=False)


class Peer:
    """A connection with these under way, and the target's side of it in a test's hands."""

    def __init__(self, *untils, actions=(), opens=True):
        self.ended = []
        self.asked = [asking(self.ended, until) for until in untils]
        self.asked += [asking(self.ended, action=action) for action in actions]
        self.turns = Turns()
        self.conn, self.transport, self.keeper = connected(*self.asked)
        self.transport.written.clear()
        if opens:
            self.says(SWITCHED)

    def says(self, *data):
        with self.turns:
            self.conn.data_received(b"".join(data))
            self.turns.take()

    @property
    def told(self):
        """What we sent: kinds and payloads."""
        cutter = FrameCutter(is_masked=True)
        return [(frame.opcode, frame.payload) for frame in cutter.feed(bytes(self.transport.written), 0)]


@pytest.mark.parametrize(
    ("frames", "code", "why"),
    [
        (b"\x81\x81abcdx", 1002, "the target broke the rules of WebSocket: a frame that is masked"),
        (b"\x83\x00", 1002, "the target broke the rules of WebSocket: a frame of an unknown kind"),
        (b"\x82\x7f" + (1 << 40).to_bytes(8), 1009, "the target broke the rules of WebSocket: a frame that is longer than any message may be"),
        (said(TEXT, b"\xff"), 1007, "the target broke the rules of WebSocket: a text that is not UTF-8"),
        (said(CLOSE, closing(1006)), 1002, "the target broke the rules of WebSocket: a close frame with a code that is none"),
    ],
)  # fmt: skip
def test_a_breach_ends_what_is_under_way_and_the_connection_and_is_told_to_the_target(frames, code, why):
    peer = Peer(Until(), Until())
    peer.says(frames)

    assert [(x.error, x.phase, x.why) for x in peer.ended] == [("protocol", "first_byte", why)] * 2
    assert peer.told[-1] == (CLOSE, closing(code))
    assert peer.transport.is_closed


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
def test_a_target_that_closes_ends_what_is_under_way_with_its_code(code):
    peer = Peer(Until(text="b"))
    peer.says(said(TEXT, b"a"), said(CLOSE, closing(code) + b"words of the target"))

    [x] = peer.ended
    assert (x.error, x.phase, x.socket.close_code, x.socket.messages) == ("closed", "body", code, 1)
    assert x.why == f"the target closed the connection with the code {code}"
    assert peer.told[-1] == (CLOSE, closing(code))


def test_a_close_without_a_code_is_told_as_such():
    peer = Peer(Until())
    peer.says(said(CLOSE))

    assert (peer.ended[0].socket.close_code, peer.ended[0].why) == (
        NO_CODE,
        "the target closed the connection without a code",
    )


def test_what_follows_a_close_is_not_read():
    peer = Peer(Until(text="b"))
    peer.says(said(CLOSE, closing(1000)), said(TEXT, b"b"))

    assert [x.error for x in peer.ended] == ["closed"]


def test_a_connection_that_ends_without_a_close_is_reset_with_code_1006():
    peer = Peer(Until())
    peer.conn.connection_lost(ConnectionResetError())

    [x] = peer.ended
    assert (x.error, x.phase, x.socket.close_code) == ("reset", "first_byte", 1006)
    assert x.why == "the target reset the connection before it answered"


def test_an_end_before_the_answer_to_the_opening_is_of_the_phase_connect():
    peer = Peer(Until(), opens=False)
    peer.says(SWITCHED[:50])
    peer.conn.connection_lost(None)

    assert [(x.error, x.phase, x.is_new_connection) for x in peer.ended] == [("reset", "connect", True)]


@pytest.mark.parametrize(
    ("answer", "error", "status"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\n\r\n", None, 503),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", None, 401),
        (b"HTTP/1.1 200 OK\r\n\r\n", "protocol", 200),
        (b"HTTP/1.1 302 Found\r\nLocation: /b\r\n\r\n", "protocol", 302),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "protocol", 0),
        (SWITCHED.replace(b"websocket", b"h2c"), "protocol", 0),
        (b"HTTP/1.1 101 Switching Protocols\r\n" + b"x: y\r\n" * 20_000, "protocol", 0),
    ],
)
def test_an_answer_that_opens_nothing_ends_all_that_wait(answer, error, status):
    peer = Peer(Until(), Until(), opens=False)
    peer.says(answer)

    assert [(x.error, x.status) for x in peer.ended] == [(error, status)] * 2
    assert peer.ended[0].retry_after_s == (7 if status == 503 else None)
    assert peer.transport.is_closed


def test_a_flood_of_pings_is_answered_by_the_last_of_them_where_the_target_reads_nothing():
    peer = Peer(Until())
    peer.conn.pause_writing()
    before = len(peer.transport.written)
    peer.says(*(said(PING, b"%d" % n) for n in range(5_000)))
    assert len(peer.transport.written) == before

    peer.conn.resume_writing()
    assert peer.told[-1] == (PONG, b"4999")
    assert len(peer.told) == 2


def test_a_flood_of_messages_is_read_in_slices_and_stamped_when_it_came():
    peer = Peer(Until(text="last"))
    with peer.turns:
        peer.conn.data_received(said(TEXT, b"x") * 100_000 + said(TEXT, b"last"))
        [x] = peer.asked
        assert 0 < x.socket.messages < 20_000, "the loop has its turns"
        peer.turns.take()

    assert (x.error, x.socket.messages) == (None, 100_001)
    assert x.first_byte_ns == x.end_ns


def test_a_message_that_fits_ends_its_own_exchange_and_others_go_to_the_oldest():
    peer = Peer(Until(json="/id", equals=1), Until(json="/id", equals=2))
    peer.says(
        said(TEXT, b'{"id":9}'), said(TEXT, b'{"id":2}'), said(BINARY, b"\xff\x00"), said(TEXT, b'{"id":1}')
    )

    first, second = peer.asked
    assert peer.ended == [second, first]
    assert (first.socket.messages, second.socket.messages) == (3, 1)
    assert bytes(first.captured) == b'{"id":1}'
    assert first.response_bytes == 8 + 2 + 8
    assert (first.is_new_connection, second.is_new_connection, second.is_shared) == (True, False, True)


def test_the_third_that_fits_is_another_than_the_third_that_comes():
    peer = Peer(Until(text="a", messages=3))
    peer.says(*(said(TEXT, text) for text in (b"a", b"b", b"a", b"c")))
    assert not peer.ended
    peer.says(said(TEXT, b"xax"))

    assert (peer.ended[0].error, peer.ended[0].socket.messages) == (None, 5)


def test_messages_that_nobody_waits_for_are_counted():
    peer = Peer(Until())
    peer.says(said(TEXT, b"a"), said(TEXT, b"b"), said(TEXT, b"c"))

    assert len(peer.ended) == 1
    assert peer.conn.under_way.unasked == 2


def test_a_message_without_an_end_is_over_when_it_was_sent():
    peer = Peer(None)

    [x] = peer.ended
    assert (x.error, x.status, x.first_byte_ns, x.end_ns - x.sent_ns) == (None, 101, 0, 0)


def test_an_error_or_the_end_of_a_models_answer_ends_a_step_that_waits_for_another_message():
    for text, error in (
        (b'{"type":"response.incomplete"}', None),
        (b'{"type":"error","error":{"code":"x"}}', "model_error"),
    ):
        peer = Peer(Until(json="/type", equals="response.completed"))
        peer.says(said(TEXT, b'{"type":"response.output_text.delta","delta":"a"}'), said(TEXT, text))

        [x] = peer.ended
        assert (x.events.error, x.events.is_cut_short, x.socket.messages) == (error, False, 2)


def test_a_ping_ends_with_its_own_pong_alone():
    peer = Peer(Until(), actions=["ping"])
    [(_, payload)] = [one for one in peer.told if one[0] == PING]
    peer.says(said(PONG), said(PONG, b"other"))
    assert not peer.ended
    peer.says(said(PONG, payload))

    assert [x.error for x in peer.ended] == [None]
    assert peer.ended[0] is peer.asked[1]


def test_closing_ends_with_the_close_of_the_target():
    peer = Peer(actions=["close"])
    assert peer.told == [(CLOSE, closing(1000))]
    peer.says(said(TEXT, b"still under way"), said(CLOSE, closing(1000)))

    [x] = peer.ended
    assert (x.error, x.socket.close_code) == (None, 1000)
    assert [one for one in peer.told if one[0] == CLOSE] == [(CLOSE, closing(1000))], "not a second one"


def test_opening_ends_with_the_answer_to_it():
    peer = Peer(actions=["open"])

    [x] = peer.ended
    assert (x.error, x.status, x.is_new_connection) == (None, 101, True)
    assert x.end_ns >= x.sent_ns > 0


def test_limits_are_from_when_each_was_sent():
    peer = Peer(Until(text="never"), Until(text="never"))
    first, second = peer.asked
    first.sent_ns = peer.conn.read_ns = 10_000
    second.sent_ns = 11_000
    peer.conn.expire(11_999, *LIMITS_NS)
    assert not peer.ended
    peer.conn.expire(12_500, *LIMITS_NS)
    assert [(x.error, x.censored, x.phase, x.end_ns) for x in peer.ended] == [
        ("timeout", True, "first_byte", 12_000)
    ]
    assert not peer.conn.is_usable, "what comes late must not be taken for another's"
    peer.conn.expire(20_000, *LIMITS_NS)
    assert peer.ended[1].end_ns == 13_000
    assert peer.transport.is_closed


def test_a_target_that_never_ends_ends_at_the_limit_of_all():
    peer = Peer(Until(text="never"))
    [x] = peer.asked
    for at_ns in range(0, 4_000, 500):
        peer.says(said(TEXT, b"more"))
        x.sent_ns, peer.conn.read_ns = 10_000, 10_000 + at_ns
        peer.conn.expire(10_000 + at_ns, *LIMITS_NS)
        assert not peer.ended
    peer.conn.expire(14_100, *LIMITS_NS)

    assert (x.error, x.phase, x.end_ns) == ("timeout", "body", 14_000)


def test_an_opening_that_is_not_answered_ends_at_its_limit():
    peer = Peer(Until(), opens=False)
    peer.conn._asked_ns = 10_000
    peer.conn.expire(11_001, *LIMITS_NS)

    assert [(x.error, x.phase, x.censored, x.end_ns) for x in peer.ended] == [
        ("timeout", "connect", True, 11_000)
    ]
