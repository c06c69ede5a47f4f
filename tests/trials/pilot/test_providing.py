"""What a target has of what steps may need."""

import pytest

from replay.target import Cost, Target
from replay.trials.pilot.providing import provided_by


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
