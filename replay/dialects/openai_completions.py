"""OpenAI's legacy completions: as chat completions, but each choice holds its `text` itself.

Source: https://platform.openai.com/docs/api-reference/completions
"""

from replay.dialects.choices import choices_of, read_body, read_choices
from replay.dialects.types import Dialect, Document


def _is_completion(document: Document, _kind: str = "") -> bool:
    choices = choices_of(document)
    if choices is None:
        return False
    return document.get("object") == "text_completion" or any(
        "text" in choice and "delta" not in choice and "message" not in choice for choice in choices
    )


OPENAI_COMPLETIONS = Dialect(
    "openai-completions",
    "model",
    _is_completion,
    _is_completion,
    read_choices,
    read_body,
    ends_with_done=True,
    paths=("/completions",),
    limits=("max_tokens",),
)
