"""Which machines of a price table, or whether its instances, have the hardware that a step's `needs` asks for. Pure."""

from replay.money.needs import ANY_GPU, ARCHES, GPU_MODELS, OTHER_HARDWARE, words_of
from replay.money.price_table import PriceTable

_MOST_KINDS = 4


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


def instances_with(table: PriceTable, need: str, billing: str | None = None) -> bool:
    """Whether serverless instances of this table can do what a step's `needs` says. billing: paid so; None: in any way.

    Those that are paid by request have no GPU.
    """
    offers = {
        "request": None if table.request is None else "",
        "instance": None if table.instance is None else table.instance.gpu,
        "worker-pool": None if table.worker_pool is None else table.worker_pool.gpu,
    }
    return any(
        gpu is not None and _can(need, gpu, "x86") for how, gpu in offers.items() if billing in (None, how)
    )


def unfit_machine(table: PriceTable, name: str, kind: str, need: str) -> str | None:
    """Why machines of a kind cannot do what is needed, and which kinds of their table can; None where they can."""
    machine = table.machine(kind)
    if _can(need, machine.gpu, machine.arch):
        return None
    fit = machines_with(table, need)
    more = f" and {len(fit) - _MOST_KINDS} more" if len(fit) > _MOST_KINDS else ""
    have = (
        f"{', '.join(fit[:_MOST_KINDS])}{more} {'has' if len(fit) == 1 else 'have'}" if fit else "no kind has"
    )
    return f"is priced as {kind}, which has no {_asked(need)}; of {name}, {have}"


def unfit_instances(table: PriceTable, name: str, billing: str, need: str) -> str | None:
    """Why serverless instances that are paid so cannot do what is needed; None where they can."""
    if instances_with(table, need, billing):
        return None
    otherwise = "; those that are billed by instance have" if instances_with(table, need) else ""
    return f"is priced by {name} as billed by {billing}, whose instances have no {_asked(need)}{otherwise}"


def _asked(need: str) -> str:
    """The hardware that is asked for, as it follows "no"."""
    words = words_of(need)
    models = sorted(words & GPU_MODELS)
    if models:
        return " ".join(model.upper() for model in models)
    if words & ANY_GPU:
        return "GPU"
    return " ".join(sorted(words & OTHER_HARDWARE)) or f"{' '.join(sorted(words & set(ARCHES)))} processor"


def _can(need: str, gpu: str, arch: str) -> bool:
    """need: words as `gpu`, `L4`, `nvidia-l4`, `gpu=T4` and `arm64`, all of which must hold."""
    words = words_of(need)
    models = {word for word in words if word in GPU_MODELS or (gpu and word == gpu.lower())}
    if words & OTHER_HARDWARE or (words & ANY_GPU and not gpu):
        return False
    return models <= {gpu.lower()} and {ARCHES[word] for word in words if word in ARCHES} <= {arch}
