"""OpenAI chat completions, and the many servers that speak like them.

A stream is chunks, `{"choices":[{"index":0,"delta":{...},"finish_reason":null}]}`, and then `[DONE]`. The first names
the role; Azure's first has no choices but prompt_filter_results; one without choices gives the usage.

Source: https://platform.openai.com/docs/api-reference/chat/streaming,
https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-streaming
"""

from replay.dialects.choices import choices_of, read_body, read_choices
from replay.dialects.types import Dialect, Document


def _is_chat(document: Document, _kind: str = "") -> bool:
    return choices_of(document) is not None


OPENAI_CHAT = Dialect("openai-chat", "model", _is_chat, _is_chat, read_choices, read_body, ends_with_done=True)
