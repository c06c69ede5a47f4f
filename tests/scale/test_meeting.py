"""Workers that come over a network: who is let in, and what travels."""

import os
import socket
import struct
import subprocess
import sys
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.engine.run import Job
from replay.engine.types import RunOptions
from replay.errors import InputError
from replay.results.summary import rebuild
from replay.scale import crew
from replay.scale.conductor import NotStarted
from replay.scale.meeting import Meeting, address_of, join
from replay.scale.messages import Chunk, Piece, SentFile, Want
from replay.scale.mirror import Copy, Mirror
from replay.scale.replaying import replay_dealt
from replay.scale.secrets import TOKEN_VARIABLE, NotTrusted, shared_token
from replay.scale.sending import CHUNK_BYTES, NotWhole, Store, chunk_of
from replay.target.target import Target
from tests.support.waiting import until

TOKEN = b"a secret that all of them share"
HERE = ("127.0.0.1", 0)


def test_workers_that_know_the_secret_are_let_in_by_their_numbers():
    with Meeting(HERE, TOKEN, 2) as meeting:
        second = join(meeting.address, TOKEN, 1, 0)
        first = join(meeting.address, TOKEN, 0, 0)
        came = meeting.gather(5, NotStarted)

    first.sendall(b"0")
    second.sendall(b"1")
    assert [worker.sock.recv(1) for worker in came] == [b"0", b"1"]
    for sock in (first, second, *(worker.sock for worker in came)):
        sock.close()


@pytest.mark.parametrize(("token", "index"), [(b"another secret altogether", 0), (TOKEN, 2), (TOKEN, -1)])
def test_others_are_not(token, index):
    with Meeting(HERE, TOKEN, 2) as meeting:
        with pytest.raises(NotTrusted):
            join(meeting.address, token, index, -1)
        with pytest.raises(NotStarted, match=r"^worker 0, worker 1 of 2 did not come to 127\.0\.0\.1:"):
            meeting.gather(0, NotStarted)


def test_a_number_comes_once():
    with Meeting(HERE, TOKEN, 2) as meeting:
        first = join(meeting.address, TOKEN, 0, 0)
        with pytest.raises(NotTrusted):
            join(meeting.address, TOKEN, 0, -1)
        first.close()


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\n\r\n", struct.pack(">I", 1 << 31), b"\x00\x00\x00\x01\xc1"]
)
def test_what_else_may_come_to_a_port_harms_nobody(said):
    with Meeting(HERE, TOKEN, 1) as meeting:
        with socket.create_connection(meeting.address) as stranger:
            stranger.sendall(said)
        worker = join(meeting.address, TOKEN, 0, 1)
        (came,) = meeting.gather(5, NotStarted)
        came.sock.sendall(b"to the worker")

        assert worker.recv(100) == b"to the worker"
        came.sock.close()
        worker.close()


def test_a_worker_does_not_trust_a_conductor_that_does_not_know_the_secret():
    with Meeting(HERE, b"another secret altogether", 1) as meeting, pytest.raises(NotTrusted):
        join(meeting.address, TOKEN, 0, -1)


def test_where_nobody_listens_a_worker_waits_no_longer_than_it_was_told():
    with socket.socket() as taken:
        taken.bind(HERE)
        assert join(taken.getsockname(), TOKEN, 0, -1) is None


@pytest.mark.parametrize("value", ["", "short"])
def test_a_secret_must_be_there_and_not_be_guessed(monkeypatch, value):
    monkeypatch.setenv(TOKEN_VARIABLE, value)

    with pytest.raises(InputError, match=r"^The environment variable REPLAY_CLUSTER_TOKEN must hold a secret"):
        shared_token()


def test_an_address_without_a_host_is_this_machine_alone():
    assert address_of("7077") == address_of(":7077") == ("127.0.0.1", 7077)
    assert address_of("0.0.0.0:1") == ("0.0.0.0", 1)
    assert address_of("[::1]:99") == ("::1", 99)
    for wrong in ("host", "host:", "host:x", "host:70000", "h:٣"):
        with pytest.raises(InputError, match="is not an address"):
            address_of(wrong)


@settings(max_examples=15)
@given(st.lists(st.binary(max_size=300), max_size=8))
def test_what_grows_in_a_file_there_grows_here(tmp_path_factory, additions):
    there, here = tmp_path_factory.mktemp("there"), tmp_path_factory.mktemp("here")
    mirror, copy = Mirror([there]), Copy([here])

    for n, added in enumerate(additions):
        with (there / "steps.jsonl").open("ab") as file:
            file.write(added)
        (there / "run.json").write_text(f"{n}")
        for piece in mirror.news():
            copy.keep(piece)
        if any(additions[: n + 1]):
            assert (here / "steps.jsonl").read_bytes() == (there / "steps.jsonl").read_bytes()
        assert (here / "run.json").read_text() == f"{n}"
    assert list(mirror.news()) == []


@pytest.mark.parametrize(
    "piece",
    [
        Piece(0, "../evil", 0, b""),
        Piece(0, "/etc/passwd", None, b""),
        Piece(1, "steps.jsonl", 0, b""),
        Piece(-1, "steps.jsonl", 0, b""),
        Piece(0, "steps.jsonl", 0, b"not packed"),
        Piece(0, "steps.jsonl", 5, __import__("zstandard").compress(b"x")),
        Piece(0, "steps.jsonl", 0, __import__("zstandard").compress(bytes(1 << 26))),
    ],
)
def test_a_piece_that_has_no_place_is_refused(tmp_path, piece):
    with pytest.raises(ValueError, match="a piece"):
        Copy([tmp_path / "run"]).keep(piece)
    assert not (tmp_path / "run" / "steps.jsonl").exists()


@pytest.fixture
def store(tmp_path):
    (tmp_path / "store").mkdir()
    return Store(tmp_path / "store")


def file_of(path, data):
    path.write_bytes(data)
    return SentFile(str(path), len(data), sha256(data).hexdigest())


def sent(store, paths):
    """Give it what it asks for; returns its wishes."""
    wishes = []
    while (want := store.want()) is not None:
        wishes.append(want)
        store.add(chunk_of(paths, want))
    return wishes


def elsewhere(file):
    """As another machine sees it, on which there is no such path."""
    return msgspec.structs.replace(file, path=f"/nowhere{file.path}")


def test_files_are_sent_in_pieces_that_are_asked_for(tmp_path, store):
    paths = [tmp_path / "trace.jsonl", tmp_path / "users.csv"]
    files = [
        elsewhere(file_of(path, os.urandom(size)))
        for path, size in zip(paths, (2 * CHUNK_BYTES + 17, 9), strict=True)
    ]

    store.need(files)
    wishes = sent(store, paths)

    assert wishes == [Want(0, 0), Want(0, CHUNK_BYTES), Want(0, 2 * CHUNK_BYTES), Want(1, 0)]
    for number, path in enumerate(paths):
        assert store.path_of(number).name == path.name
        assert store.path_of(number).read_bytes() == path.read_bytes()


def test_a_file_that_is_there_is_not_sent_and_one_of_that_name_and_size_that_holds_something_else_is(
    tmp_path, store
):
    trace, users = tmp_path / "trace.jsonl", tmp_path / "users.csv"
    files = [file_of(trace, b"a trace"), file_of(users, b"user\na\n")]
    users.write_bytes(b"user\nb\n")

    store.need(files)
    assert store.want() == Want(1, 0)
    store.add(Chunk(1, 0, b"user\na\n"))

    assert store.want() is None
    assert store.path_of(0) == trace
    assert (store.path_of(1).read_bytes(), users.read_bytes()) == (b"user\na\n", b"user\nb\n")


def test_a_copy_is_kept_for_the_next_run(tmp_path, store):
    trace, other = tmp_path / "trace.jsonl", tmp_path / "other.jsonl"
    files = [elsewhere(file_of(path, path.name.encode())) for path in (trace, other)]

    wishes = []
    for file, path in zip([*files, *files], [trace, other, trace, other], strict=True):
        store.need([file])
        wishes.append(len(sent(store, [path])))
        assert store.path_of(0).read_bytes() == path.read_bytes()

    assert wishes == [1, 1, 0, 0]


@pytest.mark.parametrize("now", [b"", b"a tra", b"a trick", b"a trace that is longer"])
def test_a_file_that_changed_while_it_was_sent_is_told_of(tmp_path, store, now):
    trace = tmp_path / "trace.jsonl"
    file = elsewhere(file_of(trace, b"a trace"))
    store.need([file])
    trace.write_bytes(now)

    with pytest.raises(NotWhole, match=r"^trace\.jsonl: changed while it was sent\. Run it again\.$"):
        sent(store, [trace])


@pytest.mark.parametrize("chunk", [Chunk(0, 1, b"x"), Chunk(1, 0, b"x"), Chunk(-1, 0, b"x")])
def test_a_piece_that_nobody_asked_for_is_refused(tmp_path, store, chunk):
    store.need([elsewhere(file_of(tmp_path / "trace.jsonl", b"a trace"))])

    with pytest.raises(NotWhole, match="not asked for"):
        store.add(chunk)


@pytest.mark.parametrize("want", [Want(1, 0), Want(-1, 0), Want(0, -1)])
def test_a_wish_for_what_a_run_does_not_have_is_refused(tmp_path, want):
    (tmp_path / "trace.jsonl").write_bytes(b"a trace")

    with pytest.raises(ValueError, match="that the run does not have"):
        chunk_of([tmp_path / "trace.jsonl"], want)


def test_a_run_of_workers_that_come_over_the_network_is_one_run(truth, write_trace, tmp_path, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN.decode())
    get = write_trace.get
    trace = write_trace(
        *[(n * 10.0, [get("a", f"/{n}?u={{{{row.user}}}}"), get("b", f"/{n}/b", ["a"])]) for n in range(20)]
    )
    users = tmp_path / "users.csv"
    users.write_text("user\n" + "".join(f"u{n}\n" for n in range(15)))
    workers = []

    class Noted(Meeting):
        def __init__(self, address, token, count):
            super().__init__(address, token, count)
            for n in range(count):
                command = [sys.executable, "-c", WORKER, str(self.address[1]), str(n)]
                # Another folder, where the trace's relative path leads nowhere.
                (tmp_path / f"elsewhere-{n}").mkdir()
                workers.append(subprocess.Popen(command, cwd=tmp_path / f"elsewhere-{n}"))

    monkeypatch.setattr(crew, "Meeting", Noted)
    monkeypatch.chdir(trace.parent)
    relative = trace.relative_to(trace.parent)
    options = RunOptions(workers=2, listen="127.0.0.1:0", data=os.path.relpath(users))

    try:
        (outcome,) = replay_dealt(relative, [Job(Target(url=truth.url), tmp_path / "run")], options)
        until(lambda: all(worker.poll() is not None for worker in workers))
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()

    assert (outcome.summary.status, outcome.summary.counts.ok) == ("finished", 40)
    assert len({seen["path"] for seen in truth.arrivals}) == 40
    asked = [seen["path"] for seen in truth.arrivals if "?u=" in seen["path"]]
    assert sorted(asked) == sorted(f"/{n}?u=u{n % 15}" for n in range(20))
    assert outcome.summary.notes[1] == "users.csv has 15 rows for 20 sessions, so that some are the same user"
    assert rebuild(outcome.directory) == outcome.summary
    assert len((outcome.directory / "workers" / "01" / "steps.jsonl").read_bytes().splitlines()) == 20
    assert [worker.poll() for worker in workers] == [0, 0]


# As `replay worker`, which waits longer for the next run.
WORKER = """
import sys
from replay.scale import serving
serving._NEXT_S = 0
serving.serve(("127.0.0.1", int(sys.argv[1])), int(sys.argv[2]))
"""


def test_a_secret_that_a_target_holds_as_a_value_does_not_travel(write_trace, tmp_path, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN.decode())
    trace = write_trace((0.0, [write_trace.get("a", "/a")]))
    target = Target(url="http://127.0.0.1:9", name="t", headers={"Authorization": "Bearer abcdefghijklmnop"})

    with pytest.raises(InputError, match=r"^t: headers holds a secret, which would be sent to the workers\."):
        replay_dealt(trace, [Job(target, tmp_path / "run")], RunOptions(workers=2, listen="0"))
