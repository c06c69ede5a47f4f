"""Sizes that platforms have and have not, as their own pages say."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.money.cost import CostError, Size, check_size
from replay.target.cost import Cost
from replay.target.file import load_target
from replay.target.target import Target
from replay.trials.prices import check_prices, price_table

TARGETS = sorted((Path(__file__).parents[2] / "targets").glob("*.toml"))
RUN, LAMBDA, FARGATE, ACA = (
    "cloud-run-us-central1",
    "lambda-us-east-1",
    "fargate-us-east-1",
    "azure-container-apps",
)


@pytest.mark.parametrize(
    ("table", "vcpu", "gib"),
    [
        (RUN, 0.08, 0.125),
        (RUN, 0.333, 0.5),
        (RUN, 0.583, 1),
        (RUN, 1, 0.5),
        (RUN, 1, 4),
        (RUN, 8, 32),
        (LAMBDA, 1, 0.125),
        (LAMBDA, 1, 10),
        (LAMBDA, 1, 1769 / 1024),
        (FARGATE, 0.25, 2),
        (FARGATE, 16, 120),
        (ACA, 0.25, 0.5),
        (ACA, 4, 8),
    ],
)
def test_a_size_that_can_be_had_is_priced(table: str, vcpu: float, gib: float):
    check_size(price_table(table), Size(vcpu, gib))


@pytest.mark.parametrize(
    ("table", "vcpu", "gib"),
    [
        (RUN, 0.5, 8),
        (RUN, 0.4, 1),
        (RUN, 0.07, 0.5),
        ("cloud-run-europe-west1", 16, 0.5),
        ("cloud-run-europe-west3", 1, 8),
        ("lambda-arm-us-east-1", 1, 500),
        ("fargate-arm-us-east-1", 0.25, 8),
        (RUN, 1, 8),
        (RUN, 1.5, 2),
        (RUN, 3, 4),
        (RUN, 4, 1),
        (RUN, 8, 33),
        (RUN, 16, 32),
        (RUN, 1, 0.1),
        (LAMBDA, 1, 0.1),
        (LAMBDA, 1, 10.5),
        (LAMBDA, 1, 0.5001),
        (FARGATE, 0.25, 1.5),
        (FARGATE, 1, 1),
        (FARGATE, 8, 17),
        (ACA, 1, 0.5),
        (ACA, 0.3, 0.6),
        (ACA, 4.25, 8.5),
    ],
)
def test_a_size_that_cannot_be_had_is_refused_with_the_platform_s_rule(table: str, vcpu: float, gib: float):
    limits = price_table(table).limits
    assert limits is not None

    with pytest.raises(CostError) as caught:
        check_size(price_table(table), Size(vcpu, gib))

    assert str(caught.value).endswith(f" GiB: {limits.rule}")


def test_a_part_of_a_vcpu_has_one_request_at_once_and_is_paid_by_request():
    table, size = price_table(RUN), Size(0.5, 0.5)

    check_size(table, size, at_once=1.0)
    with pytest.raises(CostError, match=r"less than 1 vCPU one request at once, and here 1\.4 share one"):
        check_size(table, size, at_once=1.4)
    with pytest.raises(CostError, match="less than 1 vCPU paid by request only"):
        check_size(table, size._replace(billing="instance"))


def test_a_table_without_a_rule_takes_any_size():
    check_size(price_table("gce-e2-us-central1"), Size(1000, 0.001), at_once=80)


@given(st.floats(0.01, 10), st.floats(0.01, 40))
def test_more_memory_than_the_most_and_more_vcpus_than_the_most_are_never_had(vcpu: float, gib: float):
    limits = price_table(RUN).limits
    assert limits is not None

    if limits.problem(vcpu, gib) is None:
        assert 0.08 - 1e-6 <= vcpu <= 8 + 1e-6
        assert 0.125 - 1e-6 <= gib <= min(32, 4 * max(vcpu, 0.25)) + 1e-6


def test_a_pilot_refuses_a_size_before_it_begins():
    cost = Cost(price=RUN, vcpu=0.5, memory_gib=8)

    with pytest.raises(
        CostError, match=r"^small: Google Cloud Run has no instance of 0\.5 vCPU and 8 GiB: .*\.$"
    ):
        check_prices([Target(url="http://x", name="small", plane="serverless", cost=cost)])


def test_a_pilot_refuses_shared_instances_with_a_part_of_a_vcpu():
    target = Target(
        url="http://x",
        name="small",
        plane="serverless",
        simulate={"plane": {"concurrency": 8}},
        cost=Cost(price=RUN, vcpu=0.5, memory_gib=0.5),
    )

    with pytest.raises(CostError, match="here 8 share one"):
        check_prices([target])


@pytest.mark.parametrize("path", TARGETS, ids=lambda path: path.name)
def test_the_shipped_targets_have_sizes_that_there_are(path: Path):
    check_prices([load_target(str(path))])
