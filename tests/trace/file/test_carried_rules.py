"""What the images and tools of a model call must keep to."""

import pytest

from replay.trace.errors import TraceError
from replay.trace.file.carried_rules import MOST_IMAGES, carried_problem
from replay.trace.file.stream import open_trace
from replay.trace.types import LlmCall, LlmImage, LlmTools


@pytest.mark.parametrize(
    "call",
    [
        LlmCall(images=(LlmImage(0, width=1, height=1),)),
        LlmCall(images=(LlmImage(64 << 20, "image/svg+xml", 16_384, 4_096, id=-1),)),
        LlmCall(images=(LlmImage(60_000),) * MOST_IMAGES),
        LlmCall(images=(LlmImage(1, "image/jpeg", 8_192, 8_192),) * 256),
        LlmCall(tools=LlmTools(0, 0)),
        LlmCall(tools=LlmTools(10_000, 4 << 20)),
    ],
)
def test_these_can_be_made(call):
    assert carried_problem(call) is None


FIRST = "has llm.images[0]"


@pytest.mark.parametrize(
    ("call", "field", "text"),
    [
        (LlmCall(images=(LlmImage(5),) * 1_001), "llm.images", "has 1,001 llm.images; at most 1,000 are allowed"),
        (LlmCall(images=(LlmImage(-1),)), "llm.images[0]", f"{FIRST} of -1 bytes; they must lie between 0 and 67,108,864"),
        (LlmCall(images=(LlmImage(5), LlmImage(5, width=0))), "llm.images[1]", "has llm.images[1] of 0 x 1,024 pixels; each side must lie between 1 and 16,384"),
        (LlmCall(images=(LlmImage(5, width=16_384, height=16_384),)), "llm.images[0]", f"{FIRST} of 16,384 x 16,384 pixels; at most 67,108,864 are allowed"),
        (LlmCall(images=(LlmImage(5, "text/html"),)), "llm.images[0]", f'{FIRST} of media type "text/html", which is not one like image/png'),
        (LlmCall(images=(LlmImage(5, 'image/png","x'),)), "llm.images[0]", f'{FIRST} of media type "image/png\\",\\"x", which is not one like image/png'),
        (LlmCall(images=(LlmImage(5, id=1 << 63),)), "llm.images[0]", f"{FIRST} with the id 9,223,372,036,854,775,808, which does not fit into 64 bits"),
        (LlmCall(images=(LlmImage(40 << 20), LlmImage(40 << 20))), "llm.images", "has llm.images of 83,886,080 bytes together; at most 67,108,864 are allowed"),
        (LlmCall(images=(LlmImage(1, "image/jpeg", 8_192, 8_192),) * 257), "llm.images", "has llm.images of 67,371,008 bytes together; at most 67,108,864 are allowed"),
        (LlmCall(tools=LlmTools(-1, 0)), "llm.tools.count", "has llm.tools.count -1; it must lie between 0 and 10,000"),
        (LlmCall(tools=LlmTools(1, 5 << 20)), "llm.tools.bytes", "has llm.tools.bytes 5,242,880; it must lie between 0 and 4,194,304"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_named(call, field, text):
    assert carried_problem(call) == (field, text)


def call_of(**llm):
    return {"id": "a", "kind": "llm", "name": "ask", "llm": llm}


def test_a_trace_names_the_place_of_what_is_wrong(write_trace):
    path = write_trace((0.0, [call_of(images=[{"bytes": 7}, {"bytes": 7, "height": 20_000}])]))

    with pytest.raises(
        TraceError, match=r'line 2: step "a" of session "s-0" has llm.images\[1\] of 1,024 x 20,000 pixels'
    ):
        list(open_trace(path))


def test_what_is_no_image_is_told_by_its_place(write_trace):
    path = write_trace((0.0, [call_of(images=[{"media_type": "image/png"}])]))

    with pytest.raises(TraceError, match="bytes"):
        list(open_trace(path))
