"""How many images and definitions of tools model calls carry, and what these weigh."""

from replay.trace.types import LlmCall


class CarriedTally:
    """Of the model calls that it is told of. tools_offered: calls that offer tools."""

    def __init__(self) -> None:
        self.images = self.image_bytes = self.tools_offered = self.tool_bytes = 0

    def __repr__(self) -> str:
        return f"<CarriedTally {self.images} images, {self.tools_offered} calls with tools>"

    def add(self, llm: LlmCall) -> None:
        self.images += len(llm.images)
        self.image_bytes += sum(image.bytes for image in llm.images)
        if llm.tools is not None and llm.tools.count:
            self.tools_offered += 1
            self.tool_bytes += llm.tools.bytes
