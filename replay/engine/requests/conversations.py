"""Model calls on WebSockets that sessions hold: which message goes on from which answer."""

from collections.abc import Sequence

from replay.dialects.documents import read_document
from replay.dialects.types import Conversing
from replay.engine.requests.render import Renderer
from replay.target.sending import Shape
from replay.trace.types import Step


class Conversations:
    """At one target. renderers: one for each place."""

    def __init__(self, shape: Shape, conversing: Conversing, renderers: Sequence[Renderer]) -> None:
        self._shape, self._conversing, self._renderers = shape, conversing, renderers

    def __repr__(self) -> str:
        return f"<Conversations in {self._shape.kind}>"

    def path(self, step: Step) -> str:
        """Where this model call goes."""
        assert step.llm is not None
        model = self._shape.model or step.llm.model or ""
        return self._shape.asked_at(model, is_stream=step.llm.stream)

    def following(self, place: int, step: Step, session_id: str, tokens: int, earlier: str) -> bytes:
        """The message of a call that goes on from the answer of this id, with so many tokens that are new."""
        return self._renderers[place].following(step, session_id, tokens, earlier)

    def id_of(self, message: bytes) -> str | None:
        """The id of the answer that this message ends."""
        document = read_document(message)
        return self._conversing.id_of(document) if isinstance(document, dict) else None
