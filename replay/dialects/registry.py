"""Which dialects there are, and which of them a document is in."""

from replay.dialects.layouts.anthropic_messages import ANTHROPIC_MESSAGES
from replay.dialects.layouts.bedrock_converse import BEDROCK_CONVERSE
from replay.dialects.layouts.gemini_generate import GEMINI_GENERATE
from replay.dialects.layouts.json_rpc import JSON_RPC
from replay.dialects.layouts.openai_chat import OPENAI_CHAT
from replay.dialects.layouts.openai_completions import OPENAI_COMPLETIONS
from replay.dialects.layouts.openai_embeddings import OPENAI_EMBEDDINGS
from replay.dialects.layouts.openai_responses import OPENAI_RESPONSES
from replay.dialects.types import Dialect, Document

# The first that knows a document has it: a chat's first chunk may have no choices, so chat takes what completions
# leave.
DIALECTS: tuple[Dialect, ...] = (
    JSON_RPC,
    OPENAI_COMPLETIONS,
    OPENAI_CHAT,
    ANTHROPIC_MESSAGES,
    OPENAI_RESPONSES,
    OPENAI_EMBEDDINGS,
    GEMINI_GENERATE,
    BEDROCK_CONVERSE,
)


def dialect_of_event(document: Document, kind: str) -> Dialect | None:
    """The dialect that an event tells its stream to be in; None where it tells none."""
    return next((dialect for dialect in DIALECTS if dialect.is_event(document, kind)), None)


def dialect_of_body(document: Document) -> Dialect | None:
    """The dialect of a whole answer; None if it is in none."""
    return next((dialect for dialect in DIALECTS if dialect.is_body(document)), None)
