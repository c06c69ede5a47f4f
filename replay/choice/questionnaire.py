"""What no trace can tell, asked: the questions as data, and the file of their answers. Pure.

A question that is left open stays open: its answer is None, which is a doubt with a name and never a guess.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from replay.errors import InputError
from replay.keys import ended, quoted, unknown_key
from replay.toml import TomlError, read_toml
from replay.words.numbers import exact, number

UNKNOWN = "don't know"
NONE = "none"
_MOST_CHARACTERS = 60
_MOST_NAMES = 20

Kind = Literal["one", "several", "names", "word", "number"]


class AnswersError(InputError, ValueError):
    """Answers cannot be used as they are written; str() is the whole message."""


class Option(NamedTuple):
    """One answer that may be given, and what follows from it."""

    value: str
    follows: str


class Question(NamedTuple):
    """id: its key in the file, and its field in Answers. follows: from an answer that is no option. unanswered: what is
    not known without it. most: of a number. weighs: whether the answer may rule a plane out.
    """

    id: str
    text: str
    kind: Kind
    unanswered: str
    options: tuple[Option, ...] = ()
    follows: str = ""
    most: float = 0.0
    weighs: bool = False


class Answers(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What was answered; None: nobody knew. The fields are the questions, in their order."""

    memory: str | None = None
    state_external: str | None = None
    lost_sessions: str | None = None
    sockets: str | None = None
    local: tuple[str, ...] | None = None
    zones: tuple[str, ...] | None = None
    zone_allows: tuple[str, ...] | None = None
    patching: str | None = None
    staff_hours: float | None = None
    staff_rate: float | None = None
    currency: str | None = None
    team_size: float | None = None
    rollback_minutes: float | None = None


QUESTIONS: tuple[Question, ...] = (
    Question(
        "memory",
        "What lives in the agent's memory from one request to the next?",
        "one",
        "what lives in memory from one request to the next; state of sessions there may rule out serverless",
        (
            Option("nothing", "any instance can serve any request"),
            Option("cache", "it can be made again; every new instance begins without it"),
            Option("sessions", "it is lost with its instance, and the other instances do not have it"),
            Option("index", "every new instance loads it before its first request, which makes its boot long"),
        ),
        weighs=True,
    ),
    Question(
        "state_external",
        "Is that state kept outside of the process as well (a database, a cache server, a bucket)?",
        "one",
        "whether the state of sessions is kept outside as well",
        (
            Option("yes", "an instance may go away without losing it"),
            Option("partly", "what is not outside is lost with an instance"),
            Option("no", "it is lost with an instance"),
        ),
        weighs=True,
    ),
    Question(
        "lost_sessions",
        "May a session be lost when an instance goes away?",
        "one",
        "whether sessions may be lost with an instance",
        (
            Option("yes", "state in memory rules no plane out"),
            Option("seldom", "a failure may cost sessions, everyday scaling may not"),
            Option("no", "state in memory has to move outside, or stay on machines that nobody takes away"),
        ),
        weighs=True,
    ),
    Question(
        "sockets",
        "Are connections held open (WebSocket, long polling, long streams), and for how long?",
        "one",
        "whether connections are held open for hours, which serverless requests do not last",
        (
            Option(NONE, "no connection outlasts its request"),
            Option("minutes", "within what a serverless request may last, an hour at most"),
            Option("hours", "longer than a serverless request may last"),
        ),
        weighs=True,
    ),
    Question(
        "local",
        "What does the agent use on its own machine?",
        "several",
        "which local tools the agent needs",
        (
            Option(NONE, "nothing binds it to a machine"),
            Option("binaries", "they ship in the container image, on either plane"),
            Option("browser", "it needs a machine"),
            Option("disk", "files that outlive a request need a machine"),
            Option("gpu", "it needs a machine (or a serverless plane) that has one"),
            Option("vpn", "a private network or a device needs a machine that is in it"),
            Option("desktop", "a desktop session needs a machine"),
        ),
        weighs=True,
    ),
    Question(
        "zones",
        "Which compliance zones must it keep to?",
        "several",
        "which compliance zones it must keep to",
        (
            Option(NONE, "no zone rules a plane out"),
            Option("data residency", "data stay in a region"),
            Option("dedicated tenancy", "hardware that nobody else uses"),
            Option("network isolation", "no way in from the internet"),
        ),
        weighs=True,
    ),
    Question(
        "zone_allows",
        "Which of the planes, or targets by name, satisfy all of these zones? (commas between them)",
        "names",
        "which planes satisfy the compliance zones",
        follows="the others are out",
        weighs=True,
    ),
    Question(
        "patching",
        "Who patches the operating system and the runtime of machines?",
        "one",
        "who patches machines",
        (
            Option("nobody", "machines would go unpatched, which speaks for a plane without any"),
            Option("us", "its hours are beside the bill of machines"),
            Option("platform team", "its hours are another team's, and still somebody's"),
            Option("provider", "managed machines: hours are for what the provider leaves"),
        ),
    ),
    Question(
        "staff_hours",
        "How many hours a month does it take to look after the machines?",
        "number",
        "how many hours a month machines take",
        follows="a line beside the bill of machines whose target file says nothing of it",
        most=10_000.0,
    ),
    Question(
        "staff_rate",
        "What does an hour of it cost?",
        "number",
        "what an hour of staff costs",
        follows="the price of those hours",
        most=1e6,
    ),
    Question(
        "currency",
        "In which currency? (as USD)",
        "word",
        "the currency of that rate",
        follows="hours are priced only beside bills in it",
    ),
    Question(
        "team_size",
        "How many people look after the agent?",
        "number",
        "how many people look after the agent",
        follows="each hour of upkeep is one of theirs",
        most=1e5,
    ),
    Question(
        "rollback_minutes",
        "How many minutes does it take to roll a deploy back?",
        "number",
        "how long it takes to roll back",
        follows="as long as that a bad deploy is live",
        most=100_000.0,
    ),
)


def parse_answers(content: bytes, where: str) -> Answers:
    """Answers from their TOML. Raises AnswersError, saying what is wrong and where."""
    try:
        written = read_toml(content)
    except TomlError as cause:
        raise AnswersError(f"{where}: {cause}.") from cause
    problem = unknown_key(written, [question.id for question in QUESTIONS])
    if problem is not None:
        raise AnswersError(f"{where}: {ended(problem)}")
    found = {}
    for question in QUESTIONS:
        try:
            found[question.id] = _read(question, written.get(question.id))
        except ValueError as cause:
            raise AnswersError(f"{where}: {question.id}: {ended(str(cause))}") from cause
    return Answers(**found)


def answer_of(question: Question, typed: str) -> Any:
    """What somebody typed, as an answer: an option by its number or name, and None for nothing. Raises ValueError."""
    typed = typed.strip()
    if not typed or typed.lower() == UNKNOWN:
        return None
    if question.kind == "number":
        try:
            return _read(question, float(typed))
        except ValueError as cause:
            raise ValueError(f"{quoted(typed)} is not a number from 0 to {number(question.most)}") from cause
    if question.kind in ("several", "names"):
        return _read(
            question, [_by_number(question, part.strip()) for part in typed.split(",") if part.strip()]
        )
    return _read(question, _by_number(question, typed))


def written_answers(answers: Answers) -> str:
    """The file of these answers, questions as comments; those that are open are left for later."""
    lines = ["# What no trace can tell. Leave out, or comment out, what nobody knows."]
    for question in QUESTIONS:
        value = getattr(answers, question.id)
        choices = f" ({', '.join(option.value for option in question.options)})" if question.options else ""
        lines += ["", f"# {question.text}{choices}"]
        lines.append(f"# {question.id} =" if value is None else f"{question.id} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def said(value: Any) -> str:
    """An answer in words."""
    if value is None:
        return "not answered"
    if isinstance(value, tuple):
        return ", ".join(value)
    return number(value, 10) if isinstance(value, float) else str(value)


def follows(question: Question, value: Any) -> str:
    """What follows from an answer, by itself."""
    if value is None:
        return f"not known: {question.unanswered}"
    chosen = value if isinstance(value, tuple) else (value,)
    known = [option.follows for option in question.options if option.value in chosen]
    return "; ".join(known) or question.follows


def open_questions(answers: Answers) -> list[Question]:
    """Those without an answer that matter after what was answered."""
    needless = set()
    if answers.memory in ("nothing", "cache", "index"):
        needless |= {"state_external", "lost_sessions"}
    if answers.state_external == "yes":
        needless.add("lost_sessions")
    if answers.lost_sessions == "yes":
        needless.add("state_external")
    if not zones_of(answers):
        needless.add("zone_allows")
    if answers.staff_rate is None:
        needless.add("currency")
    return [
        question
        for question in QUESTIONS
        if getattr(answers, question.id) is None and question.id not in needless
    ]


def zones_of(answers: Answers) -> tuple[str, ...]:
    """The zones that were asked for."""
    return tuple(zone for zone in answers.zones or () if zone != NONE)


def _by_number(question: Question, typed: str) -> str:
    if typed.isascii() and typed.isdigit() and question.options and 1 <= int(typed) <= len(question.options):
        return question.options[int(typed) - 1].value
    return typed


def _read(question: Question, value: Any) -> Any:
    """Raises ValueError, what is wrong with it."""
    if value is None or (isinstance(value, str) and value.lower() == UNKNOWN):
        return None
    if question.kind == "number":
        return _number(value, question.most)
    if question.kind in ("several", "names"):
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, Sequence) or len(values) > _MOST_NAMES:
            raise ValueError("must be a list of words")
        found = tuple(dict.fromkeys(_word(question, each) for each in values))
        if NONE in found and len(found) > 1:
            raise ValueError(f'"{NONE}" beside others makes no sense; leave it out')
        return found or None
    return _word(question, value)


def _number(value: Any, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number from 0 to {number(most)}")
    if not 0 <= value <= most:
        # A whole number in TOML may have more digits than any float.
        said = exact(value) if isinstance(value, float) or abs(value) < 1e15 else "far from it"
        raise ValueError(f"must be from 0 to {number(most)}, and is {said}")
    return float(value)


def _word(question: Question, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a word in quotes")
    if not question.options:
        if not (value.isprintable() and 0 < len(value) <= _MOST_CHARACTERS):
            raise ValueError(f"{quoted(value)} is not a name")
        return value
    known = [option.value for option in question.options]
    if value.lower() not in known:
        raise ValueError(f"{quoted(value)} is not an answer. Known are: {', '.join(known)}, {UNKNOWN}")
    return value.lower()


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(each) for each in value)}]"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def answered(answers: Answers) -> Mapping[str, Any]:
    """What was answered, by question."""
    return {
        question.id: value for question in QUESTIONS if (value := getattr(answers, question.id)) is not None
    }
