"""The words by which a step's `needs`, or an answer, asks for hardware: one list for rules and price tables. Pure."""

import re

ARCHES = {"arm": "arm", "arm64": "arm", "aarch64": "arm", "x86": "x86", "x86_64": "x86", "amd64": "x86"}
ANY_GPU = frozenset({"gpu", "gpus", "cuda", "accelerator"})
# Models are named so that one that no table has is not taken for a word like browser, which any machine can do.
GPU_MODELS = frozenset(
    ("l4", "l40s", "t4", "a10", "a10g", "a100", "h100", "h200", "b200", "v100", "p4", "p100", "k80", "mi300x")
)
# Hardware that no price table has.
OTHER_HARDWARE = frozenset({"tpu", "tpus", "npu", "fpga"})


def words_of(need: str) -> set[str]:
    """The words of `gpu`, `L4`, `nvidia-l4`, `gpu=T4` or `arm64`, in lower case."""
    return set(re.findall(r"\w+", need.lower()))


def is_special(need: str) -> bool:
    """Whether it asks for hardware that a machine which somebody rents does not have by itself."""
    return bool(words_of(need) & (ANY_GPU | GPU_MODELS | OTHER_HARDWARE))
