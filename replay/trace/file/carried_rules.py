"""What the images and tools of a model call must keep to, so that they can be made: numbers and sizes."""

from replay.dialects.images import is_image_type
from replay.trace.errors import shown
from replay.trace.types import LlmCall, LlmImage

MOST_IMAGES = 1_000
"""Of one model call."""

MOST_IMAGE_BYTES = 64 << 20
"""Of all images of one model call, as they are made."""

MOST_SIDE = 16_384
"""Of an image, in pixels."""

MOST_PIXELS = 1 << 26
_PIXELS_A_BYTE = 256
MOST_TOOLS = 10_000
MOST_TOOL_BYTES = 4 << 20


def carried_problem(llm: LlmCall) -> tuple[str, str] | None:
    """What is wrong with the images and tools of a model call."""
    if len(llm.images) > MOST_IMAGES:
        return "llm.images", f"has {len(llm.images):,} llm.images; at most {MOST_IMAGES:,} are allowed"
    for n, image in enumerate(llm.images):
        if (why := _image_problem(image)) is not None:
            return f"llm.images[{n}]", f"has llm.images[{n}] {why}"
    weight = sum(map(made_bytes, llm.images))
    if weight > MOST_IMAGE_BYTES:
        text = f"has llm.images of {weight:,} bytes together; at most {MOST_IMAGE_BYTES:,} are allowed"
        return "llm.images", text
    if llm.tools is not None:
        for field, count, most in (
            ("count", llm.tools.count, MOST_TOOLS),
            ("bytes", llm.tools.bytes, MOST_TOOL_BYTES),
        ):
            if not 0 <= count <= most:
                text = f"has llm.tools.{field} {count:,}; it must lie between 0 and {most:,}"
                return f"llm.tools.{field}", text
    return None


def made_bytes(image: LlmImage) -> int:
    """How long the image is that is made in its place, about: a JPEG takes two bits for a block of 64 pixels, however
    short the recorded one was.
    """
    return max(image.bytes, image.width * image.height // _PIXELS_A_BYTE)


def _image_problem(image: LlmImage) -> str | None:
    if not is_image_type(image.media_type):
        return f"of media type {shown(image.media_type)}, which is not one like image/png"
    if not 0 <= image.bytes <= MOST_IMAGE_BYTES:
        return f"of {image.bytes:,} bytes; they must lie between 0 and {MOST_IMAGE_BYTES:,}"
    if not (1 <= image.width <= MOST_SIDE and 1 <= image.height <= MOST_SIDE):
        return f"of {image.width:,} x {image.height:,} pixels; each side must lie between 1 and {MOST_SIDE:,}"
    if image.width * image.height > MOST_PIXELS:
        return f"of {image.width:,} x {image.height:,} pixels; at most {MOST_PIXELS:,} are allowed"
    if image.id is not None and not -(1 << 63) <= image.id < 1 << 63:
        return f"with the id {image.id:,}, which does not fit into 64 bits"
    return None
