"""How a model call, known by its token counts, becomes the body of a request.

Prompt text is made of short common English words, each with a space before it. Byte-pair tokenisers of today's
models give such words about one token each (the tests count words; no tokeniser is part of them), so a prompt
of n words has about n tokens; the few that a server's chat template adds are not subtracted.

The words of a text are drawn by a hash of what the text stands for: a prefix block's id, or the session and the
step. So equal blocks are equal text everywhere, a text cut short is the beginning of the longer one, and all
else differs from its first words on, which is what a prefix cache looks at. The words need no JSON escapes:
bodies are put together as bytes, 16 words at a time.

Images and tools of a call are made to their recorded size where the dialect has them, and what they are estimated to
take of the prompt's tokens is no text then. Tools come first in a prompt, so they stand for its first blocks.
"""

import json
from collections import OrderedDict
from hashlib import shake_128
from pathlib import Path

import msgspec

from replay.dialects.asked import prompting_of
from replay.dialects.types import Carrying, Conversing, Size
from replay.engine.requests.definitions import Definitions, definitions
from replay.engine.requests.images import Images
from replay.engine.requests.templates import Call, Template
from replay.target.sending import Shape
from replay.trace.types import LlmCall, LlmTools

MOST_PROMPT_BYTES = 8 * 1024 * 1024
_BLOCKS_KEPT_BYTES = 64 * 1024 * 1024
_MOST_NAMES = 1024  # of models; a trace may name any number
_MOST_TOOL_SETS = 16
# What a kept block takes besides its text: its key, two numbers, and a place in the table.
_BLOCK_OVERHEAD_BYTES = 300

_WORDS = tuple(
    b" " + word
    for word in (
        b"the of and to in is you that it he was for on are as with his they at be this have from or one had "
        b"by word but not what all were we when your can said there use an each which she do how their if will "
        b"up other about out many then them these so some her would make like him into time has look two more "
        b"write go see number no way could people my than first water been call who oil its now find long down "
        b"day did get come made may part over new sound take only little work know place year live me back give "
        b"most very after thing our just name good man think say great where help through much before line right "
        b"too mean old any same tell boy follow came want show also around form three small set put end does "
        b"another well large must big even such because turn here why ask went men read need land home us move "
        b"try kind hand picture again change off play air away animal house point page letter mother answer "
        b"found study still learn should world high every near add food between own below country plant last "
        b"school father keep tree never start city earth eye light thought head under story saw left few while "
        b"along might close something seem next hard open example begin life always those both paper together "
        b"got group often run until children side feet car mile night walk white sea began grow took"
    ).split()
)
_PHRASE = 16
# Texts open with words drawn one by one, 128 bits of them; after those, phrases are as good and 16 times as fast.
_PHRASES = tuple(
    tuple(_WORDS[i] for i in shake_128(b"phrase %d" % n).digest(_PHRASE)) for n in range(len(_WORDS))
)
_PHRASE_TEXTS = tuple(b"".join(words) for words in _PHRASES)
_LONGEST_WORD, _SHORTEST_WORD = max(map(len, _WORDS)), min(map(len, _WORDS))
MOST_PROMPT_TOKENS = MOST_PROMPT_BYTES // _LONGEST_WORD


def text_of(seed: bytes, tokens: int) -> bytes:
    """About this many tokens of text that depends on seed alone; a shorter one is the start of a longer one."""
    if tokens <= _PHRASE:
        return b"".join([_WORDS[i] for i in shake_128(seed).digest(tokens)])
    whole, left = divmod(tokens - _PHRASE, _PHRASE)
    drawn = shake_128(seed).digest(_PHRASE + whole + 1)
    parts = [_WORDS[i] for i in drawn[:_PHRASE]]
    parts += [_PHRASE_TEXTS[i] for i in drawn[_PHRASE:-1]]
    parts += _PHRASES[drawn[-1]][:left]
    return b"".join(parts)


class ModelCalls:
    """Bodies of model calls, in the dialect of a target's shape or by its template, and where they go.

    Raises TargetError where the template is none.

    clamped: how many prompts were cut to MOST_PROMPT_TOKENS.
    """

    def __init__(self, shape: Shape) -> None:
        self._model = shape.model
        self._salt = shape.salt.encode()
        self._ignores_eos = shape.ignore_eos
        self._template = None if shape.template is None else Template(Path(shape.template))
        self._prompting = None if shape.kind == "template" else prompting_of(shape.kind)
        self._conversing: Conversing | None = None
        if shape.websocket and self._prompting is not None:
            self._conversing = self._prompting.conversing
        self._shape = shape
        self._paths: dict[tuple[str, bool], str] = {}
        self._blocks: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._blocks_bytes = 0
        self._openings: dict[str, bytes] = {}
        self._made_images = Images()
        self._tool_sets: OrderedDict[tuple[int, int], Definitions] = OrderedDict()
        self.clamped = 0

    def __repr__(self) -> str:
        return f"<ModelCalls in {self._shape.kind}, {len(self._blocks)} blocks, {self._blocks_bytes} bytes>"

    def path(self, llm: LlmCall) -> str:
        """Where this call goes."""
        name, is_stream = self._name(llm), llm.stream
        path = self._paths.get((name, is_stream))
        if path is None:
            if len(self._paths) >= _MOST_NAMES:
                self._paths.clear()
            path = self._paths[name, is_stream] = self._shape.asked_at(name, is_stream=is_stream)
        return path

    def body(self, llm: LlmCall, session_id: str, step_id: str) -> bytes:
        """The request's body, as JSON bytes."""
        name = self._name(llm)
        if (llm.images or llm.tools is not None) and self._prompting is not None:
            carrying = self._prompting.carrying
            if carrying is not None:
                return self._laden(llm, carrying, name, session_id, step_id)
        parts = self._prompt(llm, session_id, step_id)
        if self._prompting is None:
            assert self._template is not None
            return self._template.filled(
                Call(
                    b"".join(parts),
                    llm.input_tokens,
                    llm.output_tokens or 1,
                    llm.stream,
                    name,
                    session_id,
                    step_id,
                )
            )
        parts.insert(0, self._opening(name))
        parts.append(self._closing(llm))
        return b"".join(parts)

    def _opening(self, name: str) -> bytes:
        conversing = self._conversing
        opening = self._openings.get(name)
        if opening is None:
            if len(self._openings) >= _MOST_NAMES:
                self._openings.clear()
            assert self._prompting is not None
            opens = self._prompting.opening if conversing is None else conversing.opening
            opening = self._openings[name] = opens(_in_json(name))
        return opening

    def _closing(self, llm: LlmCall) -> bytes:
        limit = llm.output_tokens or 1
        if self._conversing is not None:
            return self._conversing.closing(limit)
        assert self._prompting is not None
        return self._prompting.closing(limit, llm.stream, self._ignores_eos)

    def _laden(self, llm: LlmCall, carrying: Carrying, name: str, session_id: str, step_id: str) -> bytes:
        """The body of a call with images or tools."""
        made = self._definitions(llm.tools, carrying)
        images = self._images(llm, carrying, session_id, step_id)
        sizes = [Size(each.width, each.height) for each in llm.images]
        spent = made.tokens + sum(map(carrying.image_tokens, sizes))
        opening, closing = self._opening(name), self._closing(llm)
        if images:
            opens = carrying.opening if self._conversing is None else self._conversing.with_images
            opening, closing = opens(_in_json(name), images), carrying.ends + closing[1:]
        if made.text:
            closing = b"%b,%b}" % (closing[:-1], carrying.tools(made.text))
        size = llm.prefix_block_tokens or max(1, -(-llm.input_tokens // max(1, len(llm.prefix))))
        # A prompt without any text is refused by most.
        said = msgspec.structs.replace(
            llm,
            input_tokens=max(1, llm.input_tokens - spent),
            prefix=llm.prefix[made.tokens // size :],
            prefix_block_tokens=size,
        )
        return b"".join((opening, *self._prompt(said, session_id, step_id), closing))

    def _definitions(self, tools: LlmTools | None, carrying: Carrying) -> Definitions:
        """The same for all calls with as many tools of that size, since an agent has one set of them."""
        if tools is None or not tools.count:
            return Definitions(b"", 0)
        key = (tools.count, tools.bytes)
        made = self._tool_sets.get(key)
        if made is None:
            made = self._tool_sets[key] = definitions(carrying, *key, self._tool_text)
            if len(self._tool_sets) > _MOST_TOOL_SETS:
                self._tool_sets.popitem(last=False)
        return made

    def _tool_text(self, number: int, length: int) -> bytes:
        seed = b"tool\0%s\0%d" % (self._salt, number)
        return text_of(seed, length // _SHORTEST_WORD + 1)[1 : length + 1]

    def _images(self, llm: LlmCall, carrying: Carrying, session_id: str, step_id: str) -> list[bytes]:
        made = []
        for n, each in enumerate(llm.images):
            own = b"step\0%s\0%s\0%d" % (_bytes(session_id), _bytes(step_id), n)
            seed = b"image\0%s\0%s" % (self._salt, own if each.id is None else b"%d" % each.id)
            size = Size(each.width, each.height)
            media_type, data = self._made_images.encoded(seed, each.media_type, size, each.bytes)
            made.append(carrying.image(media_type.encode(), data))
        return made

    def following(self, llm: LlmCall, session_id: str, step_id: str, tokens: int, earlier: str) -> bytes:
        """The message that goes on from the answer of this id, with so many tokens that are new."""
        assert self._conversing is not None
        # What the earlier message carried the server remembers, like its text.
        new = msgspec.structs.replace(llm, input_tokens=tokens, prefix=(), images=(), tools=None)
        return self._conversing.following(self.body(new, session_id, step_id), earlier)

    def _name(self, llm: LlmCall) -> str:
        return self._model or llm.model or "default"

    def _prompt(self, llm: LlmCall, session_id: str, step_id: str) -> list[bytes]:
        left = llm.input_tokens
        if left > MOST_PROMPT_TOKENS:
            left = MOST_PROMPT_TOKENS
            self.clamped += 1
        parts: list[bytes] = []
        if llm.prefix:
            # Without a block size the blocks share the prompt evenly; it is then all prefix.
            size = llm.prefix_block_tokens or max(1, -(-llm.input_tokens // len(llm.prefix)))
            for block in llm.prefix:
                if left <= 0:
                    break
                parts.append(self._block(block, min(size, left)))
                left -= size
        if left > 0:
            seed = b"step\0%s\0%s\0%s" % (self._salt, _bytes(session_id), _bytes(step_id))
            parts.append(text_of(seed, left))
        return parts

    def _block(self, block: int, tokens: int) -> bytes:
        """A prefix block's text; the least recently used are forgotten beyond a bound in bytes."""
        key = (block, tokens)
        kept = self._blocks.get(key)
        if kept is not None:
            self._blocks.move_to_end(key)
            return kept
        text = text_of(b"block\0%s\0%d" % (self._salt, block), tokens)
        self._blocks[key] = text
        self._blocks_bytes += len(text) + _BLOCK_OVERHEAD_BYTES
        while self._blocks_bytes > _BLOCKS_KEPT_BYTES:
            _, forgotten = self._blocks.popitem(last=False)
            self._blocks_bytes -= len(forgotten) + _BLOCK_OVERHEAD_BYTES
        return text


def _in_json(name: str) -> bytes:
    # In ASCII: a name may hold half a surrogate pair, which has no UTF-8.
    return json.dumps(name).encode()


def _bytes(text: str) -> bytes:
    # Ids come from JSON, which may hold half a surrogate pair.
    return text.encode("utf-8", "surrogatepass")
