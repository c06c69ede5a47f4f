"""Which machines of a price table, or whether its instances, have the hardware that a step's `needs` asks for. Pure."""

from replay.judge.money.price_table import PriceTable

_ARCHES = {"arm": "arm", "arm64": "arm", "aarch64": "arm", "x86": "x86", "x86_64": "x86", "amd64": "x86"}
# Models are named so that one that no table has is not taken for a word like browser, which any machine can do.
_GPUS = frozenset(
    ("l4", "l40s", "t4", "a10", "a10g", "a100", "h100", "h200", "b200", "v100", "p4", "p100", "k80")
)


def machines_with(table: PriceTable, need: str) -> list[str]:
    """The kinds that can do what a step's `needs` says, the cheapest first.

    need: a GPU's model (L4, T4), gpu for any of them, arm or x86. Any other word (browser, vpn) asks nothing of the
    hardware, so every kind can. Machines that may be reclaimed are left out: ask for them by name.
    """
    fit = [
        (machine.hour, kind)
        for kind, machine in table.machines.items()
        if not machine.is_reclaimable and _can(need, machine.gpu, machine.arch)
    ]
    return [kind for _, kind in sorted(fit)]


def instances_with(table: PriceTable, need: str) -> bool:
    """Whether serverless instances of this table can do what a step's `needs` says."""
    offers = [table.instance.gpu] if table.instance is not None else []
    if table.request is not None:
        offers.append("")
    return any(_can(need, gpu, "x86") for gpu in offers)


def _can(need: str, gpu: str, arch: str) -> bool:
    """need: words as `gpu`, `L4`, `nvidia-l4`, `gpu=T4` and `arm64`, all of which must hold."""
    words = set("".join(char if char.isalnum() or char == "_" else " " for char in need.lower()).split())
    models = {word for word in words if word in _GPUS or (gpu and word == gpu.lower())}
    if "gpu" in words and not gpu:
        return False
    return models <= {gpu.lower()} and {_ARCHES[word] for word in words if word in _ARCHES} <= {arch}
