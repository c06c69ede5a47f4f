"""Secrets: where they come from, when they are renewed, and that no message shows them."""

import asyncio
import errno
import shlex
import sys
import traceback

import pytest

from replay.target.auth import Auth
from replay.target.errors import TargetError
from replay.wire.errors import TargetMiswritten, TargetUnreachable
from replay.wire.signin.credentials import Credentials, renew_after_s

pytestmark = pytest.mark.anyio
SECRET = "s3cr3t-value"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Clock:
    """A sleep that lasts until the test says so; keeps how long each was meant to last."""

    def __init__(self) -> None:
        self.slept_s: list[float] = []
        self._wake = asyncio.Semaphore(0)

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        await self._wake.acquire()

    async def pass_one(self) -> None:
        """End the sleep that is under way, and come back when the next has begun."""
        sleeps = len(self.slept_s)
        self._wake.release()
        while len(self.slept_s) == sleeps:
            await asyncio.sleep(0)


class Command:
    """Prints these, one a run; an exception is raised instead."""

    def __init__(self, *prints: str | Exception) -> None:
        self._prints = list(prints)
        self.runs: list[str] = []

    async def __call__(self, command: str) -> str:
        self.runs.append(command)
        printed = self._prints.pop(0)
        if isinstance(printed, Exception):
            raise printed
        return printed


def python(code: str, *arguments: str) -> str:
    return shlex.join([sys.executable, "-c", code, *arguments])


async def opened(command: str) -> list[tuple[bytes, bytes]]:
    credentials = Credentials(Auth(command=command))
    try:
        await credentials.open()
        return credentials.headers()
    finally:
        await credentials.close()


def test_variables_become_headers(monkeypatch):
    monkeypatch.setenv("A_TOKEN", SECRET)
    monkeypatch.setenv("A_KEY", "k")

    credentials = Credentials(Auth(bearer_env="A_TOKEN", header_env={"X-Api-Key": "A_KEY"}))

    assert credentials.headers() == [(b"authorization", b"Bearer s3cr3t-value"), (b"x-api-key", b"k")]
    assert credentials.headers() is credentials.headers()


def test_without_auth_there_are_no_headers():
    assert Credentials(Auth()).headers() == []


@pytest.mark.parametrize("auth", [Auth(bearer_env="A_TOKEN"), Auth(header_env={"x-key": "A_TOKEN"})])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_variable_is_named(monkeypatch, auth, value):
    monkeypatch.delenv("A_TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("A_TOKEN", value)

    with pytest.raises(TargetError) as raised:
        Credentials(auth)

    assert str(raised.value) == (
        "the environment variable A_TOKEN is not set; the target takes a secret from it."
    )


@pytest.mark.parametrize("ending", ["\n", "\r\nx-evil: 1", "\x00"])
def test_a_variable_that_would_break_the_head_is_refused_and_not_shown(monkeypatch, ending):
    monkeypatch.setattr("os.environ", {"A_TOKEN": SECRET + ending})

    with pytest.raises(TargetError) as raised:
        Credentials(Auth(bearer_env="A_TOKEN"))

    assert (
        str(raised.value)
        == "the environment variable A_TOKEN holds a line end, another control character, or bytes that are not UTF-8."
    )
    assert SECRET not in "".join(traceback.format_exception(raised.value))


async def test_no_repr_shows_a_secret(monkeypatch):
    monkeypatch.setenv("A_TOKEN", SECRET)
    credentials = Credentials(Auth(bearer_env="A_TOKEN", command="c", command_header="x"), Command(SECRET))
    await credentials.open()

    assert repr(credentials) == str(credentials) == "<Credentials 2 headers>"
    await credentials.close()


async def test_a_command_gives_a_bearer_token():
    assert await opened(python("print('abc')")) == [(b"authorization", b"Bearer abc")]


async def test_a_command_may_have_a_header_of_its_own():
    credentials = Credentials(Auth(command="c", command_header="X-Token"), Command(" abc\n"))
    await credentials.open()

    assert credentials.headers() == [(b"x-token", b"abc")]
    await credentials.close()


async def test_a_command_runs_without_a_shell():
    shows_arguments = python("import sys; print('|'.join(sys.argv[1:]))", "$HOME", ";", "a b", ">x", "`id`")
    assert await opened(shows_arguments) == [(b"authorization", b"Bearer $HOME|;|a b|>x|`id`")]


async def test_a_command_has_no_input_to_wait_for():
    assert await opened(python("import sys; print(len(sys.stdin.read()))")) == [(b"authorization", b"Bearer 0")]


@pytest.mark.parametrize("printed", [f"{SECRET}\nmore\n", f"{SECRET}\r\nx-evil: 1", f"{SECRET}\x1b[0m"])
async def test_output_of_several_lines_is_refused_and_not_shown(printed):
    with pytest.raises(TargetUnreachable) as raised:
        await opened(python("import sys; sys.stdout.write(sys.argv[1])", printed))

    assert str(raised.value) == (
        "auth.command printed more than one line; it must print a token, and nothing else."
    )
    assert SECRET not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("printed", ["", "\n", " \n"])
async def test_no_output_is_refused(printed):
    credentials = Credentials(Auth(command="c"), Command(printed))

    with pytest.raises(TargetUnreachable, match=r"^auth\.command printed nothing; it must print a token"):
        await credentials.open()


async def test_a_command_that_fails_is_told_without_anything_that_it_wrote():
    code = f"import sys; print('{SECRET}'); sys.exit('not logged in')"

    with pytest.raises(TargetUnreachable) as raised:
        await opened(python(code))

    assert str(raised.value) == ("auth.command failed with exit status 1. Run it by hand to see why.")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            "/no/such/program --now",
            "auth.command cannot be run: No such file or directory. Check its first word, '/no/such/program'.",
        ),
        (
            f"TOKEN={SECRET} program",
            "auth.command cannot be run: No such file or directory. It runs without a shell: name a program first.",
        ),
        (f"echo '{SECRET}", "auth.command cannot be run: No closing quotation."),
        (f"echo {SECRET}\0", "auth.command cannot be run: embedded null byte."),
    ],
)
async def test_a_command_that_cannot_be_run_is_told_apart(command, message):
    with pytest.raises(TargetUnreachable) as raised:
        await opened(command)

    assert str(raised.value) == message


async def test_a_machine_that_starts_no_process_is_no_fault_of_the_target_file(monkeypatch):
    async def without_descriptors(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", without_descriptors)

    with pytest.raises(
        TargetUnreachable, match=r"^auth\.command cannot be run: out of file descriptors"
    ) as raised:
        await opened("/bin/true")

    assert not isinstance(raised.value, TargetMiswritten)


async def test_a_value_is_renewed_before_it_is_too_old():
    clock, command = Clock(), Command("one", "two", "three")
    credentials = Credentials(Auth(command="c --x", command_ttl_s=100.0), command, clock.sleep)
    await credentials.open()
    await asyncio.sleep(0)
    first = credentials.headers()

    await clock.pass_one()
    second = credentials.headers()
    await clock.pass_one()

    assert first == [(b"authorization", b"Bearer one")]
    assert second == [(b"authorization", b"Bearer two")]
    assert credentials.headers() == [(b"authorization", b"Bearer three")]
    assert command.runs == ["c --x"] * 3
    assert clock.slept_s == [90.0] * 3
    await credentials.close()


async def test_a_renewal_keeps_the_headers_that_do_not_change(monkeypatch):
    monkeypatch.setenv("A_KEY", "k")
    clock = Clock()
    auth = Auth(header_env={"x-key": "A_KEY"}, command="c")
    credentials = Credentials(auth, Command("one", "two"), clock.sleep)
    await credentials.open()
    await asyncio.sleep(0)
    await clock.pass_one()

    assert credentials.headers() == [(b"x-key", b"k"), (b"authorization", b"Bearer two")]
    await credentials.close()


@pytest.mark.parametrize("failure", [TargetUnreachable("down"), "", "two\nlines"])
async def test_a_renewal_that_fails_keeps_the_old_value_is_counted_and_tried_again_soon(failure):
    clock = Clock()
    credentials = Credentials(
        Auth(command="c", command_ttl_s=300.0), Command("one", failure, failure, "two"), clock.sleep
    )
    await credentials.open()
    await asyncio.sleep(0)
    before = credentials.headers()

    await clock.pass_one()
    await clock.pass_one()

    assert credentials.headers() is before
    assert credentials.failed_renewals == 2
    assert clock.slept_s == [270.0, 5.0, 5.0]

    await clock.pass_one()
    assert credentials.headers() == [(b"authorization", b"Bearer two")]
    assert clock.slept_s[-1] == 270.0
    await credentials.close()


async def test_close_ends_the_renewal_and_may_be_called_twice():
    clock = Clock()
    credentials = Credentials(Auth(command="c"), Command("one"), clock.sleep)
    await credentials.open()
    tasks = asyncio.all_tasks()

    await credentials.close()
    await credentials.close()

    assert len(asyncio.all_tasks()) == len(tasks) - 1


async def test_a_first_value_that_cannot_be_had_starts_no_renewal():
    tasks = asyncio.all_tasks()
    credentials = Credentials(Auth(command="c"), Command(TargetUnreachable("down")))

    with pytest.raises(TargetUnreachable):
        await credentials.open()

    assert asyncio.all_tasks() == tasks
    await credentials.close()


@pytest.mark.parametrize(("ttl_s", "after_s"), [(300.0, 270.0), (3600.0, 3570.0), (100.0, 90.0), (1.0, 0.9)])
def test_a_tenth_of_a_values_life_is_left_for_its_renewal_and_at_most_30_s(ttl_s, after_s):
    assert renew_after_s(ttl_s) == after_s


class Refusing:
    """Credentials whose command prints one value after the other, and a clock for their age in seconds."""

    def __init__(self, command: Command | None = None, clock: Clock | None = None) -> None:
        self.command = command or Command("one", "two", "three")
        self.at_s = 100.0
        self.clock = clock or Clock()
        self.credentials = Credentials(
            Auth(command="c", command_ttl_s=300.0), self.command, self.clock.sleep, lambda: int(self.at_s * 1e9)
        )

    async def answers_401(self, sent_s: float) -> int:
        """Tell of a 401, and return how often the command has run once all is quiet."""
        self.credentials.refused(int(sent_s * 1e9))
        for _ in range(5):
            await asyncio.sleep(0)
        return len(self.command.runs)


@pytest.fixture
async def refusing():
    refusing = Refusing()
    await refusing.credentials.open()
    await asyncio.sleep(0)
    yield refusing
    await refusing.credentials.close()


async def test_a_value_that_the_target_refuses_is_renewed_early(refusing):
    refusing.at_s = 110.0

    assert await refusing.answers_401(sent_s=109.0) == 2
    assert refusing.credentials.headers() == [(b"authorization", b"Bearer two")]
    assert refusing.credentials.turn == 2


async def test_a_value_that_was_renewed_meanwhile_is_not_renewed_for_an_older_request(refusing):
    refusing.at_s = 110.0
    await refusing.answers_401(sent_s=109.0)
    refusing.at_s = 120.0

    assert await refusing.answers_401(sent_s=109.5) == 2


async def test_a_target_that_refuses_everything_has_the_command_run_only_now_and_then(refusing):
    refusing.at_s = 104.9
    assert await refusing.answers_401(sent_s=104.0) == 1

    refusing.at_s = 105.0
    assert await refusing.answers_401(sent_s=104.0) == 2
    assert await refusing.answers_401(sent_s=105.0) == 2


async def test_a_command_that_fails_after_a_refusal_is_run_only_now_and_then():
    fails = TargetUnreachable("down")
    command, clock = Command("one", fails, fails, "two"), Clock()
    refusing = Refusing(command, clock)
    await refusing.credentials.open()
    await asyncio.sleep(0)
    refusing.at_s = 110.0

    assert await refusing.answers_401(sent_s=109.0) == 2
    assert clock.slept_s == [270.0, 5.0]
    for tenth in range(1, 50):
        refusing.at_s = 110.0 + tenth / 10
        assert await refusing.answers_401(sent_s=refusing.at_s) == 2
    refusing.at_s = 115.0
    assert await refusing.answers_401(sent_s=115.0) == 3
    assert (clock.slept_s, refusing.credentials.failed_renewals) == ([270.0, 5.0, 5.0], 2)
    await clock.pass_one()
    assert refusing.credentials.headers() == [(b"authorization", b"Bearer two")]
    await refusing.credentials.close()


async def test_a_short_lived_value_is_tried_again_as_often_as_it_is_renewed():
    clock = Clock()
    credentials = Credentials(
        Auth(command="c", command_ttl_s=1.0), Command("one", TargetUnreachable("down"), "two"), clock.sleep
    )
    await credentials.open()
    await asyncio.sleep(0)
    await clock.pass_one()
    await clock.pass_one()

    assert clock.slept_s == [0.9] * 3
    await credentials.close()
