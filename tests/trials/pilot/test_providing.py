"""What a target has of what steps may need."""

import pytest

from replay.choice.questionnaire import Answers
from replay.choice.types import StepClass
from replay.target.cost import Cost
from replay.target.target import Target
from replay.trials.pilot.providing import needed, provided_by, unfit_of

E2 = "is priced as e2-medium, which has no {}; of gce-e2-us-central1, no kind has"


@pytest.mark.parametrize(
    ("cost", "need", "says"),
    [
        (None, "gpu", None),
        (Cost(price="gce-e2-us-central1", machine="e2-medium"), "browser", None),
        (
            Cost(price="gce-e2-us-central1", machine="e2-medium"),
            "gpu",
            E2.format("GPU") + ", but kinds of aks-eastus, azure-vm-",
        ),
        (
            Cost(price="gce-e2-us-central1", machine="e2-medium"),
            "nvidia-l4",
            E2.format("L4") + ", but kinds of ",
        ),
        (Cost(price="gce-e2-us-central1", machine="e2-medium"), "tpu", E2.format("tpu")),
        (
            Cost(price="gce-us-central1", machine="n2-standard-2"),
            "gpu",
            "is priced as n2-standard-2, which has no GPU; of gce-us-central1, g2-standard-4",
        ),
        (
            Cost(price="ec2-us-east-1", machine="t3.medium"),
            "arm64",
            "is priced as t3.medium, which has no arm64 processor; of ec2-us-east-1, t4g.micro, ",
        ),
        (Cost(price="ec2-us-east-1", machine="g6.xlarge"), "L4", None),
        (
            Cost(price="cloud-run-us-central1"),
            "gpu",
            "is priced by cloud-run-us-central1 as billed by request, whose instances have no GPU",
        ),
        (Cost(price="cloud-run-gpu-us-central1", billing="instance", vcpu=4, memory_gib=16), "gpu", None),
    ],
)
def test_hardware_that_a_price_does_not_come_with_is_named_with_the_kinds_that_have_it(
    cost: Cost | None, need: str, says: str | None
):
    found = unfit_of(Target(url="http://x", cost=cost), [need])

    assert list(found) == ([] if says is None else [need])
    assert says is None or found[need].startswith(says)


def test_what_is_needed_is_what_steps_are_marked_with_and_what_was_answered():
    steps = [
        StepClass(kind="tool", name=name, steps=1, needs=needs) for name, needs in (("a", "gpu"), ("b", None))
    ]

    assert needed(steps, None) == ["gpu"]
    assert needed(steps, Answers(local=("binaries", "browser", "gpu"))) == ["gpu", "browser"]


@pytest.mark.parametrize(
    ("cost", "provides"),
    [
        (None, ()),
        (Cost(price="gce-e2-us-central1", machine="e2-medium"), ()),
        (Cost(price="ec2-us-east-1", machine="g6.xlarge"), ("gpu", "L4")),
        (
            Cost(price="cloud-run-us-central1", machine="g6.xlarge", machine_price="ec2-us-east-1"),
            ("gpu", "L4"),
        ),
        (Cost(price="cloud-run-gpu-us-central1", billing="instance", vcpu=4, memory_gib=16), ("gpu", "L4")),
        (Cost(price="cloud-run-us-central1"), ()),
    ],
)
def test_a_target_that_is_priced_with_a_gpu_has_one(cost: Cost | None, provides: tuple[str, ...]):
    assert provided_by(Target(url="http://x", cost=cost, provides=("vpn",))) == ("vpn", *provides)
