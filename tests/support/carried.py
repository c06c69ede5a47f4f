"""Images and tools as requests carry them."""

from replay.dialects.types import Size
from replay.engine.requests.images import Images


def data_of(size_bytes=9_000, seed=b"a"):
    """An image of 320 by 200 pixels in base64."""
    return Images().encoded(seed, "image/png", Size(320, 200), size_bytes)[1].decode()


def anthropic_image(**made):
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data_of(**made)}}


def openai_image(**made):
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data_of(**made)}"}}


def input_image(**made):
    return {"type": "input_image", "image_url": f"data:image/png;base64,{data_of(**made)}"}


TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}},
}
