"""`replay pilot --ask`: questions in a terminal, their answers in a file, and none where nobody can be asked."""

import msgspec
import pytest
from click.testing import CliRunner

from replay.choice.questionnaire import QUESTIONS, Answers, AnswersError
from replay.cli import asking
from replay.cli.main import cli
from replay.target.cost import Cost
from replay.target.target import Target
from replay.trials.pilot.answers import read_answers, with_upkeep
from tests.support.commands import replay
from tests.support.pilot_commands import bursts


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(asking, "is_terminal", lambda: True)


def asked(path, *typed):
    """What is answered if these lines are typed: the answers, and what was shown."""
    shown = []

    @asking.click.command()
    def command():
        shown.append(asking.ask(path))

    ran = CliRunner().invoke(command, input="\n".join([*typed, *[""] * len(QUESTIONS)]))
    assert ran.exception is None, ran.output
    return shown[0], ran.output


def test_answers_are_kept_in_a_file_that_can_be_read_again(terminal, tmp_path):
    path = tmp_path / "answers.toml"

    answers, _ = asked(
        path, "sessions", "3", "no", "hours", "3,6", "2", "vm, edge", "us", "4", "90", "EUR", "3", "15"
    )

    assert answers == Answers(
        memory="sessions",
        state_external="no",
        lost_sessions="no",
        sockets="hours",
        local=("browser", "vpn"),
        zones=("data residency",),
        zone_allows=("vm", "edge"),
        patching="us",
        staff_hours=4.0,
        staff_rate=90.0,
        currency="EUR",
        team_size=3.0,
        rollback_minutes=15.0,
    )
    assert read_answers(path) == answers


def test_enter_leaves_a_question_open_and_keeps_what_the_file_had(terminal, tmp_path):
    path = tmp_path / "answers.toml"
    path.write_text('memory = "sessions"\nstaff_hours = 1500\nlocal = ["gpu", "disk"]\n')

    answers, _ = asked(path)

    assert answers == Answers(memory="sessions", staff_hours=1500.0, local=("gpu", "disk"))


def test_what_cannot_be_an_answer_is_asked_again_and_settled_questions_not_at_all(terminal, tmp_path):
    answers, shown = asked(tmp_path / "a.toml", "everything", "nothing", "none", "none", "none")

    assert answers == Answers(memory="nothing", sockets="none", local=("none",), zones=("none",))
    assert '"everything" is not an answer. Known are: nothing, cache, sessions, index, don\'t know.' in shown
    assert "kept outside" not in shown
    assert "satisfy all of these zones" not in shown


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_asked(terminal, tmp_path):
    with pytest.raises(AnswersError, match="there is no folder"):
        asking.ask(tmp_path / "nowhere" / "answers.toml")


def test_without_a_terminal_nothing_is_asked(tmp_path):
    bursts(tmp_path / "few.jsonl", sessions=3)

    ran = CliRunner().invoke(cli, ["pilot", str(tmp_path / "few.jsonl"), "--simulate", "--ask"])

    assert ran.exit_code == 2
    assert (
        "--ask needs a terminal, and there is none here. Write the answers to a file: --answers." in ran.output
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "answers.toml: no such file of answers. `replay pilot TRACE --ask` makes one."),
        ("memory =", "answers.toml: is not TOML"),
        ("memory = 'ram'", 'answers.toml: memory: "ram" is not an answer'),
        ("stat = 1", 'answers.toml: unknown key "stat"'),
    ],
)
def test_answers_that_cannot_be_read_are_refused_in_a_sentence(tmp_path, text, says):
    bursts(tmp_path / "few.jsonl", sessions=3)
    if text is not None:
        (tmp_path / "answers.toml").write_text(text)

    ran = replay("pilot", "few.jsonl", "--simulate", "--answers", "answers.toml", cwd=tmp_path)

    assert ran.returncode == 2
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr


def upkeep(target, **answers):
    (found,), doubts = with_upkeep([target], Answers(**answers))
    return (found.cost.staff_hours, found.cost.staff_rate), doubts


def test_hours_that_were_answered_are_those_of_machines_whose_file_states_none():
    vm = Target(
        url="http://x", name="vm", plane="vm", cost=Cost(price="gce-e2-us-central1", machine="e2-medium")
    )
    told = msgspec.structs.replace(vm, cost=msgspec.structs.replace(vm.cost, staff_hours=2.0, staff_rate=50.0))
    serverless = msgspec.structs.replace(vm, plane="serverless")

    assert upkeep(vm, staff_hours=4.0, staff_rate=90.0) == ((4.0, 90.0), [])
    assert upkeep(told, staff_hours=4.0, staff_rate=90.0) == ((2.0, 50.0), [])
    assert upkeep(serverless, staff_hours=4.0, staff_rate=90.0) == ((0.0, 0.0), [])


def test_a_rate_in_another_currency_than_the_prices_is_left_out_and_doubted():
    vm = Target(
        url="http://x", name="vm", plane="vm", cost=Cost(price="gce-e2-us-central1", machine="e2-medium")
    )

    paid, doubts = upkeep(vm, staff_hours=4.0, staff_rate=90.0, currency="EUR")

    assert paid == (4.0, 0.0)
    assert doubts == [
        "the rate that was answered is in EUR, and vm has its prices in USD, so its staff time has no price"
    ]
