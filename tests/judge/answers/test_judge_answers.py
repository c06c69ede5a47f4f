"""Verdicts on answers: what is named, what is only noise, what is left open, and how often each is right."""

import random
from dataclasses import dataclass, field

import pytest

from replay.judge.answers.again import LEAST_AGAIN, sessions_to_ask_again
from replay.judge.answers.differing import Differing
from replay.judge.answers.facts import Answered, Facts, Shapes
from replay.judge.answers.judge import judge_answers
from replay.judge.answers.sentences import headline, sentence_of
from replay.judge.answers.tallying import Asked

PLAIN = {
    "": "object",
    "/count": "integer",
    "/flag": "boolean",
    "/id": "string",
    "/items": "array",
    "/items/*": "object",
    "/items/*/price": "number",
    "/owner": "string",
}
SEARCH = ("tool", "search")


@dataclass
class Server:
    """A target in a line: what it answers to a session's step, given what is random. noise: of both targets."""

    rng: random.Random
    noise: tuple[str, ...] = ()
    breaks: dict[str, float] = field(default_factory=dict)
    shapes: Shapes = field(default_factory=Shapes)
    count: int = 0

    def answer(self, session):
        paths, rng = dict(PLAIN), self.rng
        values = {"/id": (str(rng.random()), ""), "/owner": ("ada", "")}
        fields = {"status": "200", "content": "json", "size_bytes": 100}
        self.count += 1
        if "sometimes" in self.noise and rng.random() < 0.5:
            paths["/debug"] = "object"
        if "rare" in self.noise and rng.random() < 0.02:
            del paths["/items/*/price"]
        if "counter" in self.noise:
            values["/count"] = (f"{id(self)}-{self.count}", "")
        if "coarse" in self.noise:
            values["/flag"] = (str(rng.random() < 0.3), "")
        if "status" in self.noise and rng.random() < 0.05:
            fields["status"] = "503"
        if "size" in self.noise:
            fields["size_bytes"] = rng.randrange(50, 5_000)
        number = int(session.split("-")[1])
        for what, share in self.breaks.items():
            every = round(1 / share)
            if number % every != 40 % every:
                continue
            if what == "lacks":
                paths.pop("/items/*/price", None)
            elif what == "value":
                values["/owner"] = ("eve", "")
            elif what == "status":
                fields["status"] = "404"
            elif what == "size":
                fields["size_bytes"] *= 2
        return Facts(**fields, paths=self.shapes.of(sorted(paths.items())), values=values)


def said(server, sessions, steps=1, is_alike_in_session=False):
    found = {}
    for session in sessions:
        once = server.answer(session)
        for step in range(steps):
            facts = once if is_alike_in_session else server.answer(session)
            found[session, f"a{step}"] = Answered(SEARCH, facts)
    return found


def compared(
    seed, noise=(), breaks=None, sessions=200, steps=1, is_alike_in_session=False, share=0.2, margin=2.0
):
    """One comparison, the first target asked again as it would be."""
    rng, shapes, names = random.Random(seed), Shapes(), [f"s-{n}" for n in range(sessions)]
    first = Server(rng, noise, {}, shapes)
    second = Server(rng, noise, breaks or {}, shapes)
    a = said(first, names, steps, is_alike_in_session)
    b = said(second, names, steps, is_alike_in_session)
    chosen = sessions_to_ask_again(a, [b], Differing(), share, seed)
    again = said(first, sorted(chosen), steps, is_alike_in_session)
    return judge_answers(Asked(a, b, again, "values", seed), 0.95, margin)


def named(verdict):
    return {(one.aspect, one.path) for one in verdict.differences}


def test_a_field_that_three_percent_of_answers_lack_is_named_and_the_random_id_is_not():
    verdict = compared(1, breaks={"lacks": 0.03})

    (one,) = verdict.differences
    assert verdict.verdict == "different"
    assert (one.aspect, one.path, one.count, one.n) == ("shape", "/items/*/price", 6, 200)
    assert sentence_of(one, 0.95) == (
        "tool:search lacks /items/*/price in 6 of 200 answers (3%, 95% interval 1.11% to 6.42%)"
    )
    assert ("value", "/id") in {(one.aspect, one.path) for one in verdict.noise}
    assert headline(verdict).startswith("answers differ: tool:search lacks /items/*/price in 6 of 200")


def test_targets_that_answer_alike_are_the_same_but_for_noise():
    verdict = compared(1, noise=("sometimes", "counter"))

    assert verdict.verdict == "same"
    assert verdict.reasons == [
        "but for noise, none of 200 answers differs, which excludes a difference in 1.49% of sessions and more"
    ]
    assert {one.path for one in verdict.noise} >= {"/id", "/debug", "/count"}


def test_too_few_sessions_are_not_called_the_same_and_how_many_would_do_is_said():
    verdict = compared(1, sessions=50)

    assert verdict.verdict == "inconclusive"
    assert verdict.reasons == [
        "50 sessions exclude a difference in 5.82% of sessions and more; to exclude 2%, 149 are needed"
    ]
    assert compared(1, sessions=50, margin=6.0).verdict == "same"


def test_a_difference_seen_once_is_undecided():
    verdict = compared(1, breaks={"lacks": 0.006})

    assert verdict.verdict == "inconclusive"
    (one,) = verdict.undecided
    assert (one.path, one.count) == ("/items/*/price", 1)
    assert "which may be chance; about 600 sessions would tell" in verdict.reasons[0]


def test_a_status_that_differs_is_named_alone():
    assert named(compared(1, breaks={"status": 0.05})) == {("status", None)}


def test_bodies_that_are_twice_as_long_are_a_difference_and_noisy_sizes_are_none():
    assert named(compared(1, breaks={"size": 1.0})) == {("size", None)}
    assert named(compared(1, noise=("size",))) == set()


def test_steps_without_an_answer_make_doubt_and_are_counted():
    names = [f"s-{n}" for n in range(300)]
    server = Server(random.Random(1))
    a, b, again = (said(server, names) for _ in range(3))
    for name in names[:30]:
        b[name, "a0"] = Answered(SEARCH, None)

    verdict = judge_answers(Asked(a, b, again), 0.95)

    assert verdict.verdict == "inconclusive"
    assert verdict.reasons == ["30 of 300 steps had no whole answer on one side at least"]
    assert (verdict.steps[0].b.unanswered, verdict.steps[0].pairs) == (30, 270)


@pytest.mark.parametrize("is_first_short", [False, True])
def test_sessions_that_only_one_side_has_are_unanswered_by_the_other(is_first_short):
    names = [f"s-{n}" for n in range(1_000)]
    server = Server(random.Random(1))
    whole, part = said(server, names), said(server, names[:200])
    a, b = (part, whole) if is_first_short else (whole, part)

    verdict = judge_answers(Asked(a, b, said(server, names[:200])), 0.95)

    assert verdict.verdict == "inconclusive"
    assert verdict.reasons == ["800 of 1,000 steps had no whole answer on one side at least"]
    (row,) = verdict.steps
    assert (row.a.unanswered, row.b.unanswered) == ((800, 0) if is_first_short else (0, 800))


def test_sides_that_answered_nothing_in_common_are_inconclusive():
    verdict = judge_answers(Asked({}, {}, None), 0.95)

    assert verdict.verdict == "inconclusive"
    assert verdict.reasons == ["no step was answered by both sides"]


def test_without_a_second_asking_a_difference_in_one_direction_is_named_and_ids_are_left_open():
    names = [f"s-{n}" for n in range(300)]
    rng, shapes = random.Random(1), Shapes()
    a = said(Server(rng, (), {}, shapes), names)
    b = said(Server(rng, (), {"lacks": 0.03}, shapes), names)

    verdict = judge_answers(Asked(a, b, None), 0.95)

    assert named(verdict) == {("shape", "/items/*/price")}
    assert {one.path for one in verdict.undecided} == {"/id"}
    assert "was not asked twice" in verdict.notes[0]


def test_where_more_sessions_differ_than_are_asked_again_all_shares_stay_right(monkeypatch):
    monkeypatch.setattr("replay.judge.answers.again.MOST_DIFFERING_AGAIN", 300)
    verdict = compared(1, noise=("counter",), breaks={"lacks": 0.1}, sessions=1_000)

    (one,) = verdict.differences
    assert one.n == 300
    assert one.share_percent == pytest.approx(10.0, abs=5.0)


def test_a_target_that_makes_up_paths_with_every_answer_fills_no_memory(monkeypatch):
    monkeypatch.setattr("replay.judge.answers.tallying._MOST_KEYS", 50)
    shapes, a, b = Shapes(), {}, {}
    for n in range(300):
        a[f"s-{n}", "a"] = Answered(SEARCH, Facts("200", "json", 1, shapes.of([("", "object")])))
        b[f"s-{n}", "a"] = Answered(
            SEARCH, Facts("200", "json", 1, shapes.of([("", "object"), (f"/new{n}", "null")]))
        )

    verdict = judge_answers(Asked(a, b, a), 0.95)

    assert verdict.verdict == "inconclusive"
    assert "answers differ in more paths than are counted" in verdict.reasons


def test_all_sessions_that_differ_are_asked_again_and_a_share_of_the_others():
    names = [f"s-{n}" for n in range(5_000)]
    shapes = Shapes()
    server, other = (
        Server(random.Random(1), (), {}, shapes),
        Server(random.Random(2), (), {"lacks": 0.01}, shapes),
    )
    a = {
        where: one._replace(facts=one.facts._replace(values=None)) for where, one in said(server, names).items()
    }
    b = {
        where: one._replace(facts=one.facts._replace(values=None)) for where, one in said(other, names).items()
    }
    differ = {where[0] for where in a if a[where].facts.paths is not b[where].facts.paths}

    chosen = sessions_to_ask_again(a, [b], Differing(), 0.2, 1)

    assert differ <= chosen
    assert len(chosen) == len(differ) + round(0.2 * (5_000 - len(differ)))
    assert chosen == sessions_to_ask_again(a, [b], Differing(), 0.2, 1)
    assert len(sessions_to_ask_again(a, [b], Differing(), 0.001, 1)) == LEAST_AGAIN


NOISES = [
    (),
    ("sometimes", "counter"),
    ("rare",),
    ("status", "rare", "coarse"),
    ("sometimes", "rare", "counter", "coarse", "status", "size"),
]


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: "+".join(noise) or "ids")
def test_targets_with_the_same_noise_are_called_different_no_more_often_than_alpha(noise):
    runs = 200

    wrong = sum(compared(seed, noise).verdict == "different" for seed in range(runs))

    # Three standard errors above 5%.
    assert wrong <= runs * (0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5)


def test_noise_that_all_steps_of_a_session_share_counts_once():
    runs = 100
    wrong = sum(
        compared(seed, ("sometimes", "rare"), sessions=60, steps=8, is_alike_in_session=True).verdict
        == "different"
        for seed in range(runs)
    )

    assert wrong <= runs * 0.05 + 3 * (runs * 0.05 * 0.95) ** 0.5


def test_of_a_large_trace_a_fifth_asked_again_keeps_the_error_rate():
    wrong = sum(compared(seed, ("rare", "coarse"), sessions=2_000).verdict == "different" for seed in range(30))

    assert wrong <= 5


@pytest.mark.parametrize("what", ["lacks", "value", "status"])
def test_a_difference_in_three_percent_of_200_answers_is_found_among_noise(what):
    noise = ("sometimes", "counter", "coarse")

    found = [compared(seed, noise, {what: 0.03}) for seed in range(50)]

    assert sum(verdict.verdict == "different" for verdict in found) >= 49
    right = {"lacks": ("shape", "/items/*/price"), "value": ("value", "/owner"), "status": ("status", None)}[
        what
    ]
    assert sum(named(verdict) == {right} for verdict in found) >= 45
