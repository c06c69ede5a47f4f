"""What was answered of what no trace can tell: how it is read, what it rules out, and what is left in doubt."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.choice.answered import (
    NOT_ASKED,
    answer_doubts,
    answered_rules,
    answers_told,
    security,
)
from replay.choice.case import Case
from replay.choice.questionnaire import (
    QUESTIONS,
    Answers,
    AnswersError,
    answer_of,
    open_questions,
    parse_answers,
    written_answers,
)
from replay.choice.types import PilotPlane, StepClass
from tests.choice.cases import workload

PLANES = [PilotPlane(target="run", plane="serverless"), PilotPlane(target="gce", plane="vm", machines=2)]
STATEFUL = {"memory": "sessions", "state_external": "no", "lost_sessions": "no"}


def asked(answers: Answers | None, steps: Any = (), planes: Any = PLANES, **known: Any) -> Case:
    return Case(workload=workload(series=list(steps)), planes=planes, answers=answers, **known)


def rule(name: str, steps: Any = (), planes: Any = PLANES, known: Any = None, **answers: Any):
    case = asked(Answers(**answers), steps, planes, **(known or {}))
    return next(one for one in answered_rules(case) if one.name == name)


def read(text: str) -> Answers:
    return parse_answers(text.encode(), "answers.toml")


def test_every_question_is_a_field_of_the_answers_and_the_other_way_round():
    assert [question.id for question in QUESTIONS] == list(Answers.__struct_fields__)


def test_state_that_only_memory_has_rules_serverless_out_if_no_session_may_be_lost():
    found = rule("state", **STATEFUL)

    assert found.favours == "vm"
    assert found.evidence == {**STATEFUL, "out": ["run"]}
    assert "a failing machine loses them too" in found.text


@pytest.mark.parametrize(
    "changed",
    [
        {"lost_sessions": "yes"},
        {"state_external": "yes"},
        {"memory": "nothing"},
        {"memory": "cache"},
        {"memory": None},
        {"state_external": None},
        {"lost_sessions": None},
    ],
)
def test_state_rules_nothing_out_if_it_may_go_or_if_nobody_said(changed):
    assert rule("state", **(STATEFUL | changed)).favours == "neither"


def test_state_on_the_only_kind_that_was_tried_leaves_none():
    assert rule("state", planes=PLANES[:1], **STATEFUL).favours == "inconclusive"


def test_zones_rule_out_what_the_answers_do_not_name():
    zones = {"zones": ("data residency",)}

    assert rule("compliance", **zones, zone_allows=("vm",)).favours == "vm"
    assert rule("compliance", **zones, zone_allows=("RUN",)).favours == "serverless"
    assert rule("compliance", **zones, zone_allows=("vm", "serverless")).favours == "neither"
    assert rule("compliance", **zones, zone_allows=("elsewhere",)).favours == "inconclusive"
    assert rule("compliance", **zones).text == "data residency: which planes satisfy them was not answered"
    assert rule("compliance", zones=("none",)).text == "no compliance zone was asked for"


@pytest.mark.parametrize(
    ("sockets", "favours"), [("hours", "vm"), ("minutes", "neither"), ("none", "neither"), (None, "neither")]
)
def test_connections_that_are_held_for_hours_go_to_machines(sockets, favours):
    assert rule("open sockets", sockets=sockets).favours == favours


@pytest.mark.parametrize(
    ("local", "favours"),
    [
        (("browser",), "vm"),
        (("disk", "binaries"), "vm"),
        (("binaries",), "neither"),
        (("none",), "neither"),
        (None, "neither"),
    ],
)
def test_local_tools_go_to_machines_but_for_what_an_image_holds(local, favours):
    assert rule("local tools", local=local).favours == favours


E2_HAS_NONE = "is priced as e2-medium, which has no GPU; of t, eye has"


@pytest.mark.parametrize(
    ("known", "favours", "says"),
    [
        # Nothing is known of either.
        ({}, "inconclusive", "gce is not known to have gpu, which the agent needs"),
        (
            {"unfit": {"gce": {"gpu": E2_HAS_NONE}}},
            "inconclusive",
            f"gce is not known to have gpu, which the agent needs; it {E2_HAS_NONE}",
        ),
        ({"provides": {"gce": ["gpu", "L4"]}}, "vm", "run is not a machine with gpu, which the agent needs"),
        ({"provides": {"run": ["GPU"]}, "unfit": {"gce": {"gpu": E2_HAS_NONE}}}, "serverless", E2_HAS_NONE),
        (
            {"provides": {"run": ["gpu"], "gce": ["gpu"]}},
            "neither",
            "gpu on the agent's own machine, which all",
        ),
    ],
)
def test_an_answered_gpu_goes_where_one_is(known, favours, says):
    found = rule("local tools", known=known, local=("gpu",))

    assert found.favours == favours
    assert says in found.text


def test_a_gpu_that_was_answered_is_asked_for_though_the_trace_marks_steps_with_something_else():
    steps = [StepClass(kind="tool", name="click", steps=9, needs="browser")]

    assert rule("local tools", steps, local=("gpu", "browser")).favours == "inconclusive"
    assert rule("local tools", steps, local=("browser",)).favours == "neither"


def test_local_tools_split_an_agent_whose_trace_says_which_steps_use_them():
    steps = [
        StepClass(kind="tool", name="click", steps=9, needs="browser"),
        StepClass(kind="llm", name="plan", steps=9),
    ]

    assert rule("local tools", steps, local=("browser",)).favours == "hybrid"


def test_machines_that_nobody_patches_speak_for_serverless():
    found = rule("upkeep", patching="nobody", staff_hours=4.0, staff_rate=90.0, currency="EUR", team_size=2.0)

    assert found.favours == "serverless"
    assert found.text == "nobody patches machines; 4 hours a month at 90.00 EUR an hour; a team of 2"


def test_each_answer_is_evidence_and_each_rule_names_its_source():
    rules = answered_rules(asked(Answers(rollback_minutes=12.0)))

    assert rules[-1].evidence == {"rollback_minutes": "12"}
    assert all(one.source == "answered by you; no trace can tell" for one in rules)


def test_without_a_questionnaire_there_is_no_rule_and_one_doubt():
    assert answered_rules(asked(None)) == []
    assert answer_doubts(None) == [NOT_ASKED]
    assert answers_told(None) == []


def test_what_was_not_answered_is_a_doubt_with_a_name():
    doubts = answer_doubts(Answers(memory="sessions", sockets="none", local=("none",), zones=("none",)))

    assert doubts == [
        "not answered: whether the state of sessions is kept outside as well",
        "not answered: whether sessions may be lost with an instance",
        "not answered: who patches machines; how many hours a month machines take; what an hour of staff costs; how many "
        "people look after the agent; how long it takes to roll back",
    ]


def test_questions_that_other_answers_settle_are_not_open():
    settled = Answers(memory="nothing", zones=("none",))

    assert not {"state_external", "lost_sessions", "zone_allows", "currency"} & {
        q.id for q in open_questions(settled)
    }


def test_what_was_answered_is_told_with_what_follows():
    told = {
        one.id: one for one in answers_told(Answers(memory="cache", local=("browser", "vpn"), staff_hours=4.0))
    }

    assert told["memory"].follows == "it can be made again; every new instance begins without it"
    assert told["local"].answer == "browser, vpn"
    assert told["staff_hours"].answer == "4"
    assert told["sockets"].answer == "not answered"


def test_security_is_what_was_answered_with_what_follows():
    row = security(Answers(zones=("network isolation",), zone_allows=("gce",), patching="us"), PLANES)

    assert row.better == "gce"
    assert row.by_plane == {
        "run": "does not satisfy network isolation",
        "gce": "satisfies network isolation; you patch its 2 machines",
    }
    assert security(Answers(), PLANES).better == "not measured"
    assert security(Answers(zones=("none",)), PLANES).better == "even"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("memmory = 'cache'", 'answers.toml: unknown key "memmory". Did you mean "memory"?'),
        (
            "memory = 'disk'",
            'answers.toml: memory: "disk" is not an answer. Known are: nothing, cache, sessions, index, don\'t know.',
        ),
        ("memory = 3", "answers.toml: memory: must be a word in quotes."),
        (
            "local = ['toaster']",
            'answers.toml: local: "toaster" is not an answer. Known are: none, binaries, browser, disk, gpu, vpn, desktop, '
            "don't know.",
        ),
        ("local = 4", "answers.toml: local: must be a list of words."),
        (
            "zones = ['none', 'data residency']",
            'answers.toml: zones: "none" beside others makes no sense; leave it out.',
        ),
        ("staff_hours = -1", "answers.toml: staff_hours: must be from 0 to 10,000, and is -1."),
        ("staff_hours = 'four'", "answers.toml: staff_hours: must be a number from 0 to 10,000."),
        ("staff_rate = nan", "answers.toml: staff_rate: must be from 0 to 1,000,000, and is nan."),
        ("team_size = true", "answers.toml: team_size: must be a number from 0 to 100,000."),
        ("currency = ''", 'answers.toml: currency: "" is not a name.'),
    ],
)
def test_what_is_no_answer_is_refused_in_a_sentence(text, says):
    with pytest.raises(AnswersError) as raised:
        read(text)

    assert str(raised.value) == says


ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        question.id: (
            st.floats(0, question.most).map(float)
            if question.kind == "number"
            else st.sampled_from([option.value for option in question.options])
            if question.kind == "one"
            else st.lists(
                st.sampled_from([option.value for option in question.options[1:]] or ["run", 'a "b"\\c']),
                min_size=1,
                unique=True,
            ).map(tuple)
            if question.kind in ("several", "names")
            else st.text(string.ascii_letters, min_size=1, max_size=9)
        )
        for question in QUESTIONS
    },
)


@given(ANSWERS)
def test_a_file_of_answers_gives_them_back(given_answers):
    answers = Answers(**given_answers)

    assert read(written_answers(answers)) == answers


@given(ANSWERS)
def test_rules_of_any_answers_say_something_and_rule_out_only_what_is_there(given_answers):
    for one in answered_rules(asked(Answers(**given_answers))):
        assert one.text
        assert set(one.evidence.get("out", ())) <= {"run", "gce"}


@given(
    st.dictionaries(
        st.sampled_from([q.id for q in QUESTIONS]),
        st.one_of(
            st.integers(),
            st.booleans(),
            st.text(string.printable.replace("\n", "").replace("'", ""), max_size=12),
            st.floats(),
            st.lists(st.sampled_from(["none", "gpu", "x"]), max_size=3),
        ),
    )
)
def test_any_toml_is_answers_or_gets_one_sentence(document):
    def toml(value):
        if isinstance(value, list):
            return "[" + ", ".join(map(toml, value)) + "]"
        return f"'{value}'" if isinstance(value, str) else str(value).lower()

    refused = "answers.toml: ."
    try:
        read("\n".join(f"{key} = {toml(value)}" for key, value in document.items()))
    except AnswersError as reason:
        refused = str(reason)

    assert refused.startswith("answers.toml: ")
    assert refused.endswith((".", "?"))


@pytest.mark.parametrize(
    ("question", "typed", "answer"),
    [
        ("memory", "", None),
        ("memory", "don't know", None),
        ("memory", "3", "sessions"),
        ("memory", "Cache", "cache"),
        ("local", "3, gpu", ("browser", "gpu")),
        ("zone_allows", "vm, 2", ("vm", "2")),
        ("staff_hours", "4.5", 4.5),
        ("currency", "USD", "USD"),
    ],
)
def test_answers_may_be_typed_by_number_or_name(question, typed, answer):
    assert answer_of(next(one for one in QUESTIONS if one.id == question), typed) == answer


@pytest.mark.parametrize(
    ("question", "typed"), [("memory", "9"), ("staff_hours", "x"), ("staff_hours", "-1"), ("local", "0")]
)
def test_what_cannot_be_an_answer_is_asked_again(question, typed):
    with pytest.raises(ValueError, match="is not"):
        answer_of(next(one for one in QUESTIONS if one.id == question), typed)
