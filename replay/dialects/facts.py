"""What one answer has told so far; dialects note it here as they read."""

from typing import Any

from replay.dialects.types import AnswerError, Usage
from replay.dialects.usage import noted_usage, usage_of

# Answers name a handful; a target that floods us must not fill the memory.
MOST_NAMES = 32
LONGEST_NAME = 128
_MOST_CHOICES = 1024


class Facts:
    """error: the first one. finish_reasons, tool_names: distinct, in order of appearance, bounded. has_thought_aloud:
    what the model thought was shown as it was, and not as a summary.
    """

    __slots__ = (
        "_choices",
        "_usage",
        "error",
        "finish_reasons",
        "has_said_end",
        "has_thought_aloud",
        "tool_names",
    )

    def __init__(self) -> None:
        self._choices: dict[int, bool] | None = None
        self._usage: dict[str, Any] | None = None
        self.error: AnswerError | None = None
        self.has_said_end = self.has_thought_aloud = False
        self.finish_reasons: tuple[str, ...] = ()
        self.tool_names: tuple[str, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether the layout's end was said, or each choice that was begun has said why it ended."""
        return self.has_said_end or (self._choices is not None and all(self._choices.values()))

    @property
    def usage(self) -> Usage | None:
        return None if self._usage is None else usage_of(self._usage)

    @property
    def hidden_tokens(self) -> int | None:
        """Of the tokens that the usage counts, how many were thought and not shown; None where that is not told."""
        usage = self.usage
        return None if usage is None or self.has_thought_aloud else usage.reasoning_tokens

    def note_error(self, error: AnswerError) -> None:
        if self.error is None:
            self.error = error

    def note_usage(self, usage: Any) -> None:
        """Later counts of one answer stand for all of it, so they replace earlier ones."""
        if isinstance(usage, dict):
            self._usage = noted_usage(self._usage, usage)

    def note_choice(self, index: Any, finish_reason: Any) -> None:
        """A choice was heard of; finish_reason: why it ended, if it is a string of some length."""
        choices = self._choices
        if choices is None:
            choices = self._choices = {}
        key = index if isinstance(index, int) else 0
        if isinstance(finish_reason, str) and finish_reason:
            self.note_finish(finish_reason)
            # OpenRouter and Mistral name it so where the model failed in mid-answer.
            if finish_reason == "error":
                self.note_error("model_error")
            if key in choices or len(choices) < _MOST_CHOICES:
                choices[key] = True
        elif key not in choices and len(choices) < _MOST_CHOICES:
            choices[key] = False

    def note_finish(self, reason: Any) -> None:
        self.finish_reasons = _with(self.finish_reasons, reason)

    def note_tool(self, name: Any) -> None:
        self.tool_names = _with(self.tool_names, name)


def _with(names: tuple[str, ...], name: Any) -> tuple[str, ...]:
    if not isinstance(name, str) or not name or len(names) >= MOST_NAMES:
        return names
    name = name[:LONGEST_NAME]
    return names if name in names else (*names, name)
