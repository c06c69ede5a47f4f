"""The plane's core, event by event: boots, starts, waits, refusals, timeouts, scale-in, failures."""

import msgspec
import pytest

from replay.planes.core.plane import Plane
from replay.planes.core.scaling_types import RequestDriven, WindowDriven
from replay.planes.core.types import (
    Boot,
    Census,
    Drain,
    Lose,
    PendingLimit,
    PlaneSpec,
    Refuse,
    Start,
    Stop,
    TimeOut,
)

NO_INSTANCE = "The request was aborted because there was no available instance."


def at(seconds: float) -> int:
    return round(seconds * 1_000_000_000)


def serverless(**rules: object) -> PlaneSpec:
    """Concurrency 1, and waiting requests alone decide: the plainest plane that scales."""
    plain = {"concurrency": 1, "scaling": RequestDriven(windows_s=(), keep_instances=None)}
    return msgspec.structs.replace(PlaneSpec(), **(plain | rules))


def warm(spec: PlaneSpec, instances: int = 1) -> Plane:
    """Return a plane with so many instances, made ready by so many requests that have ended at 0."""
    plane = Plane(spec)
    plane.start(0)
    for number in range(instances):
        plane.request_arrived(f"warm-{number}", 0)
    for number in range(instances):
        plane.instance_ready(number + 1, 0)
    for number in range(instances):
        plane.request_ended(f"warm-{number}", 0)
    return plane


# A request's way.


def test_the_first_request_waits_for_a_boot():
    plane = Plane(serverless())

    assert plane.start(0) == []
    assert plane.request_arrived("a", at(1)) == [Boot(1, vcpu=2.0)]
    assert plane.instance_ready(1, at(3)) == [
        Start("a", 1, fresh=True, waited_for_boot=True, waited_ns=at(2)),
    ]
    assert plane.request_ended("a", at(4)) == []
    assert plane.census() == Census(booting=0, idle=1, busy=0, draining=0, waiting=0, running=0)


def test_a_warm_instance_takes_a_request_at_once():
    plane = warm(serverless())

    assert plane.request_arrived("b", at(5)) == [Start("b", 1, fresh=False, waited_for_boot=False, waited_ns=0)]


def test_one_boot_is_asked_for_as_many_waiting_requests_as_an_instance_holds():
    plane = Plane(serverless(concurrency=2))

    decisions = [plane.request_arrived(number, 0) for number in range(5)]

    assert decisions == [[Boot(1, 2.0)], [], [Boot(2, 2.0)], [], [Boot(3, 2.0)]]


def test_a_request_that_waited_for_a_boot_may_be_served_by_another_instance():
    plane = warm(serverless())
    plane.request_arrived("long", at(1))
    assert plane.request_arrived("b", at(2)) == [Boot(2, 2.0)]

    assert plane.request_ended("long", at(3)) == [
        Start("b", 1, fresh=False, waited_for_boot=True, waited_ns=at(1))
    ]
    # And the instance that was booted for it starts its own life with a request that waited for nothing.
    assert plane.instance_ready(2, at(4)) == []
    assert plane.request_arrived("c", at(5)) == [Start("c", 2, fresh=True, waited_for_boot=False, waited_ns=0)]


def test_waiting_for_a_busy_instance_is_queueing_and_not_waiting_for_a_boot():
    plane = warm(serverless(max_instances=1))
    plane.request_arrived("a", at(1))

    assert plane.request_arrived("b", at(1)) == []
    assert plane.request_ended("a", at(3)) == [
        Start("b", 1, fresh=False, waited_for_boot=False, waited_ns=at(2))
    ]


def test_a_free_slot_goes_to_whoever_waited_longest():
    plane = warm(serverless(max_instances=1))
    for number in range(4):
        plane.request_arrived(number, at(1 + number))

    order = [plane.request_ended(number, at(5 + number))[0].request for number in range(3)]

    assert order == [1, 2, 3]


def test_a_ready_instance_takes_as_many_as_it_holds():
    plane = Plane(serverless(concurrency=3, max_instances=1))
    for number in range(5):
        plane.request_arrived(number, 0)

    assert [start.request for start in plane.instance_ready(1, at(1))] == [0, 1, 2]


# Limits.


def test_who_waits_too_long_is_refused_with_the_vendors_words():
    plane = Plane(serverless())
    plane.request_arrived("a", at(1))

    assert plane.next_wake_ns == at(11)
    assert plane.tick(at(11)) == [Refuse("a", 429, NO_INSTANCE)]
    assert plane.instance_ready(1, at(12)) == []


def test_a_quicker_boot_shortens_the_wait_of_those_who_wait_already():
    plane = Plane(serverless(pending_limit=PendingLimit(30.0, startup_factor=3.5)))
    plane.request_arrived("a", 0)
    plane.instance_ready(1, at(20))  # 3.5 times 20 s: 70 s
    assert plane.tick(at(30)) == []
    plane.request_arrived("b", at(31))
    plane.request_arrived("c", at(31))
    assert plane.next_wake_ns == at(101)

    plane.instance_ready(2, at(33))  # 3.5 times the mean of 20 s and 2 s: 38.5 s

    assert plane.next_wake_ns == at(69.5)
    assert plane.tick(at(69.5)) == [Refuse("c", 429, NO_INSTANCE)]


def test_an_event_comes_before_a_deadline_of_the_same_instant():
    plane = Plane(serverless())
    plane.request_arrived("a", at(1))

    assert [type(decision) for decision in plane.instance_ready(1, at(11))] == [Start]


def test_of_two_deadlines_an_event_lets_only_the_earlier_one_pass():
    plane = Plane(serverless(max_instances=1))
    plane.request_arrived("a", at(1))
    plane.request_arrived("b", at(2))

    assert plane.instance_ready(1, at(12)) == [
        Refuse("a", 429, NO_INSTANCE),
        Start("b", 1, fresh=True, waited_for_boot=True, waited_ns=at(10)),
    ]


def test_a_deadline_that_an_event_finds_overdue_goes_first():
    plane = Plane(serverless())
    plane.request_arrived("a", at(1))

    assert plane.request_arrived("b", at(20)) == [Refuse("a", 429, NO_INSTANCE)]  # b takes over its boot


def test_a_full_queue_refuses_at_once():
    limit = PendingLimit(None, length=1, status=503)
    plane = warm(serverless(max_instances=1, pending_limit=limit))
    plane.request_arrived("a", at(1))
    plane.request_arrived("b", at(1))

    assert plane.request_arrived("c", at(1)) == [Refuse("c", 503, "pending request queue full")]


def test_a_timeout_answers_the_client_while_the_handler_keeps_its_slot():
    plane = warm(serverless(max_instances=1, request_timeout_s=5, pending_limit="unlimited"))
    plane.request_arrived("a", at(1))
    plane.request_arrived("b", at(4))

    assert plane.tick(at(6)) == [TimeOut("a", 1, status=504)]
    assert plane.census().running == 1
    assert [start.request for start in plane.request_ended("a", at(7))] == ["b"]


def test_a_request_that_never_started_times_out_without_an_instance():
    plane = warm(serverless(max_instances=1, request_timeout_s=5, pending_limit="unlimited"))
    plane.request_arrived("a", at(1))
    plane.request_arrived("b", at(2))

    assert plane.tick(at(7)) == [TimeOut("a", 1), TimeOut("b", None)]
    assert plane.census().waiting == 0


def test_a_client_that_leaves_the_queue_is_not_served():
    plane = warm(serverless(max_instances=1))
    plane.request_arrived("a", at(1))
    plane.request_arrived("b", at(1))
    plane.request_arrived("c", at(1))
    plane.client_left("b", at(2))

    assert [start.request for start in plane.request_ended("a", at(3))] == ["c"]


def test_a_client_that_leaves_a_running_request_does_not_free_its_slot():
    plane = warm(serverless(max_instances=1, request_timeout_s=5))
    plane.request_arrived("a", at(1))
    plane.client_left("a", at(2))
    plane.request_arrived("b", at(3))

    assert plane.tick(at(6)) == []  # nobody is there to be told of a timeout
    assert [start.request for start in plane.request_ended("a", at(7))] == ["b"]


def test_no_more_than_max_instances_boot():
    plane = Plane(serverless(max_instances=2))

    boots = [len(plane.request_arrived(number, 0)) for number in range(5)]

    assert boots == [1, 1, 0, 0, 0]


# Early binding.


def test_early_binding_keeps_a_request_for_its_own_boot():
    plane = warm(serverless(binding="early"))
    plane.request_arrived("long", at(1))
    assert plane.request_arrived("b", at(2)) == [Boot(2, 2.0)]

    assert plane.request_ended("long", at(3)) == []  # the free slot is not for b
    assert plane.census() == Census(booting=1, idle=1, busy=0, draining=0, waiting=1, running=0)
    assert plane.instance_ready(2, at(4)) == [Start("b", 2, fresh=True, waited_for_boot=True, waited_ns=at(2))]


def test_early_binding_refuses_at_once_where_nothing_may_boot():
    plane = Plane(serverless(binding="early", max_instances=1))
    plane.request_arrived("a", at(1))

    assert plane.request_arrived("b", at(1)) == [Refuse("b", 429, NO_INSTANCE)]


def test_early_binding_waits_for_a_boot_that_nobody_has_before_it_asks_for_another():
    plane = Plane(serverless(binding="early", min_instances=1))
    assert plane.start(0) == [Boot(1, 2.0)]

    assert plane.request_arrived("a", at(1)) == []
    assert [start.request for start in plane.instance_ready(1, at(2))] == ["a"]


def test_early_binding_boots_again_when_its_boot_fails():
    plane = Plane(serverless(binding="early"))
    plane.request_arrived("a", at(1))

    assert plane.instance_died(1, at(2)) == [Boot(2, 2.0)]
    assert [start.request for start in plane.instance_ready(2, at(3))] == ["a"]


def test_early_binding_leaves_an_idle_instance_behind_a_client_that_left():
    plane = Plane(serverless(binding="early", request_timeout_s=5))
    plane.request_arrived("a", at(1))
    plane.request_arrived("b", at(1))
    plane.client_left("a", at(2))

    assert plane.tick(at(6)) == [TimeOut("b", None)]
    assert plane.instance_ready(1, at(7)) == []
    assert plane.census().idle == 1


# Scale-in, request-driven.


def test_an_idle_instance_goes_after_its_lifetime_and_then_all_is_quiet():
    plane = warm(serverless(idle_lifetime_s=900))

    assert plane.tick(at(899.999)) == []
    assert plane.tick(at(900)) == [Stop(1)]
    plane.tick(at(1000))
    assert plane.census() == Census(0, 0, 0, 0, 0, 0)
    assert plane.next_wake_ns is None


def test_a_request_renews_the_lifetime():
    plane = warm(serverless(idle_lifetime_s=900))
    plane.request_arrived("a", at(800))
    plane.request_ended("a", at(801))

    assert plane.tick(at(1700.9)) == []
    assert plane.tick(at(1701)) == [Stop(1)]


def test_min_instances_boot_at_the_start_and_outlive_their_lifetime():
    plane = Plane(serverless(min_instances=2, idle_lifetime_s=10))

    assert plane.start(0) == [Boot(1, 2.0), Boot(2, 2.0)]
    plane.instance_ready(1, 0)
    plane.instance_ready(2, 0)
    plane.tick(at(100_000))
    assert plane.census().idle == 2


def test_above_min_instances_the_one_that_was_idle_longest_goes():
    plane = warm(serverless(min_instances=1, idle_lifetime_s=60, concurrency=1), instances=2)
    for request, begin_s in (("a", 10), ("b", 11)):
        plane.request_arrived(request, at(begin_s))
    plane.request_ended("a", at(20))  # its instance is idle from here on
    plane.request_ended("b", at(30))

    assert plane.tick(at(80)) == [Stop(2)]
    plane.tick(at(1000))
    assert plane.census().idle == 1


def test_hardly_used_instances_above_the_wanted_number_go_before_their_lifetime():
    spec = PlaneSpec(concurrency=10, router="most_recently_used")
    plane = Plane(spec)
    for number in range(50):
        plane.request_arrived(number, 0)
    for instance in range(1, 6):
        plane.instance_ready(instance, 0)
    for number in range(50):
        plane.request_ended(number, at(1))

    assert plane.tick(at(59)) == []
    assert plane.tick(at(60)) == [Stop(number) for number in (1, 2, 3, 4)]
    assert plane.tick(at(900.9)) == []  # one stays for the idle lifetime
    assert plane.tick(at(901)) == [Stop(5)]


def test_an_instance_is_not_judged_by_less_than_a_whole_period():
    spec = PlaneSpec(concurrency=1, router="most_recently_used")
    plane = Plane(spec)
    plane.request_arrived("a", 0)
    plane.instance_ready(1, 0)
    plane.request_arrived("b", at(30))
    plane.instance_ready(2, at(30))
    plane.request_ended("a", at(31))
    plane.request_ended("b", at(31))

    assert plane.tick(at(115)) == []  # the second is 30 s old at the first look, and used by more than 10 %
    assert plane.tick(at(120)) == [Stop(1)]


def test_averages_alone_do_not_wake_a_plane_at_zero():
    plane = Plane(PlaneSpec(concurrency=1))
    plane.request_arrived("a", 0)
    plane.instance_ready(1, 0)
    plane.request_ended("a", at(4))
    assert plane.instance_died(1, at(4)) == []

    assert plane.tick(at(5)) == []  # though the last minute's mean asks for two
    assert plane.next_wake_ns is None


def test_averages_boot_what_brings_the_load_to_its_target():
    plane = Plane(PlaneSpec(concurrency=10, startup_boost=False))
    for number in range(10):
        plane.request_arrived(number, 0)
    plane.instance_ready(1, 0)

    assert plane.tick(at(5)) == [Boot(2, 1.0)]  # 10 in flight are two instances at 60 %


def test_evaluations_keep_their_rhythm_from_the_planes_start_over_silences():
    plane = Plane(PlaneSpec(concurrency=10, startup_boost=False), at(3))
    for number in range(10):
        plane.request_arrived(number, at(1001))
    plane.instance_ready(1, at(1001))

    assert plane.tick(at(1002.9)) == []
    assert plane.tick(at(1003)) == [Boot(2, 1.0)]


def test_cpu_boots_instances_too():
    plane = Plane(PlaneSpec(concurrency=10, startup_boost=False))
    plane.request_arrived("a", 0)
    plane.instance_ready(1, 0)
    plane.cpu_used(1, 1000, 0)  # the one vCPU of the one instance is busy

    assert plane.tick(at(5)) == [Boot(2, 1.0)]


def test_a_busy_instance_that_is_hardly_used_is_drained():
    spec = PlaneSpec(concurrency=100, router="round_robin", request_timeout_s=3600, drain_s=3600)
    plane = Plane(spec)
    for number in range(101):
        plane.request_arrived(number, 0)
    plane.instance_ready(1, 0)
    plane.instance_ready(2, 0)
    for number in range(1, 100):
        plane.request_ended(number, at(1))

    # Two long requests, one in each instance: each is one percent of its instance's slots.
    assert plane.tick(at(60)) == [Drain(1, until_ns=at(3660))]
    assert plane.request_arrived("new", at(61))[0].instance == 2
    assert plane.request_ended(0, at(700)) == [Stop(1)]


# Window-driven.


def test_from_zero_a_knative_plane_boots_one_and_then_what_its_window_wants():
    plane = Plane(
        PlaneSpec(concurrency=10, scaling=WindowDriven(), pending_limit="knative", startup_boost=False)
    )

    decisions = [decision for number in range(50) for decision in plane.request_arrived(number, at(1))]

    assert decisions == [Boot(1, 1.0)]
    assert plane.tick(at(2)) == [Boot(number, 1.0) for number in range(2, 9)]


def test_a_knative_plane_forgets_the_load_of_clients_that_left():
    plane = Plane(PlaneSpec(concurrency=10, scaling=WindowDriven(), startup_boost=False))
    for number in range(50):
        plane.request_arrived(number, at(1))
    for number in range(50):
        plane.client_left(number, at(1))

    assert plane.tick(at(2)) == []


def test_a_knative_plane_gives_up_boots_before_it_touches_what_is_ready():
    scaling = WindowDriven(stable_window_s=6, panic_window_s=1)
    plane = Plane(PlaneSpec(concurrency=2, scaling=scaling, startup_boost=False))
    for request in ("a", "b", "c"):
        plane.request_arrived(request, 0)
    plane.tick(at(2))
    plane.instance_ready(1, at(2))
    for request in ("b", "c"):
        plane.client_left(request, at(3))
        plane.request_ended(request, at(3))

    assert plane.tick(at(10)) == [Stop(3), Stop(2)]


def test_a_knative_plane_replaces_an_instance_that_died():
    plane = Plane(PlaneSpec(concurrency=10, scaling=WindowDriven(), startup_boost=False))
    plane.request_arrived("a", 0)
    plane.instance_ready(1, at(1))

    assert plane.instance_died(1, at(1.5)) == [
        Lose("a", 1, 503, "The instance died while it served this request."),
        Boot(2, 1.0),
    ]


# VMs.


def test_a_vm_plane_boots_all_its_workers_and_never_more_or_fewer():
    plane = Plane(PlaneSpec(kind="vm", max_instances=3, concurrency=1, vcpu=2.0, pending_limit="unlimited"))

    assert plane.start(0) == [Boot(number, 2.0) for number in (1, 2, 3)]
    for instance in (1, 2, 3):
        plane.instance_ready(instance, 0)
    decisions = [plane.request_arrived(number, at(1)) for number in range(5)]
    assert [len(made) for made in decisions] == [1, 1, 1, 0, 0]
    assert plane.next_wake_ns is None  # nothing scales here, and no platform times a request out


def test_a_worker_that_died_is_booted_again():
    plane = Plane(PlaneSpec(kind="vm", max_instances=1, concurrency=1))
    plane.start(0)
    plane.instance_ready(1, 0)
    plane.request_arrived("a", at(1))
    plane.request_arrived("b", at(1))

    assert plane.instance_died(1, at(2)) == [
        Lose("a", 1, 503, "The instance died while it served this request."),
        Refuse("b", 503, "no machine accepts connections"),
        Boot(2, 1.0),
    ]
    assert plane.request_arrived("c", at(3)) == [Refuse("c", 503, "no machine accepts connections")]
    assert plane.instance_ready(2, at(4)) == []
    assert plane.request_arrived("d", at(5)) == [Start("d", 2, fresh=True, waited_for_boot=False, waited_ns=0)]


def test_while_another_machine_is_there_nobody_is_refused():
    plane = Plane(PlaneSpec(kind="vm", max_instances=2, concurrency=1))
    plane.start(0)
    plane.instance_ready(1, 0)
    plane.instance_ready(2, 0)
    for request in ("a", "b", "c"):
        plane.request_arrived(request, at(1))

    assert plane.instance_died(1, at(2)) == [
        Lose("b", 1, 503, "The instance died while it served this request."),
        Boot(3, 1.0),
    ]
    assert plane.request_ended("a", at(3)) == [
        Start("c", 2, fresh=False, waited_for_boot=True, waited_ns=at(2))
    ]


def test_a_queue_that_a_file_names_is_before_the_machines_and_outlives_them():
    plane = Plane(PlaneSpec(kind="vm", max_instances=1, concurrency=1, pending_limit="30s"))
    plane.start(0)
    plane.instance_ready(1, 0)
    plane.request_arrived("a", at(1))
    plane.request_arrived("b", at(1))
    plane.instance_died(1, at(2))

    assert plane.instance_ready(2, at(4)) == [Start("b", 2, fresh=True, waited_for_boot=True, waited_ns=at(3))]


# Failures and races.


def test_a_boot_that_fails_is_repeated_for_those_who_wait():
    plane = Plane(serverless())
    plane.request_arrived("a", at(1))

    assert plane.instance_died(1, at(2)) == [Boot(2, 2.0)]


def test_a_dead_instance_without_requests_is_not_replaced_at_min_zero():
    plane = warm(serverless())

    assert plane.instance_died(1, at(2)) == []


def test_a_drain_that_takes_too_long_loses_its_requests():
    scaling = WindowDriven(stable_window_s=6, panic_window_s=1)
    plane = Plane(PlaneSpec(concurrency=2, drain_s=3, scaling=scaling, startup_boost=False))
    for request in ("a", "b", "long"):
        plane.request_arrived(request, 0)
    assert plane.tick(at(2)) == [Boot(2, 1.0), Boot(3, 1.0)]
    for instance in (1, 2, 3):
        plane.instance_ready(instance, at(2))
    plane.request_ended("a", at(3))
    plane.request_ended("b", at(3))

    assert plane.tick(at(10)) == [Stop(3), Drain(2, until_ns=at(13))]
    assert plane.tick(at(13)) == [
        Lose("long", 2, 503, "The instance was stopped before this request ended."),
        Stop(2),
    ]


def test_what_the_plane_has_let_go_is_ignored():
    plane = warm(serverless(idle_lifetime_s=10))
    plane.tick(at(10))

    assert plane.instance_ready(1, at(11)) == []
    assert plane.instance_died(1, at(11)) == []
    assert plane.request_ended("warm-0", at(11)) == []
    assert plane.client_left("warm-0", at(11)) == []


def test_a_request_id_is_used_once_at_a_time():
    plane = Plane(serverless())
    plane.request_arrived("a", 0)

    with pytest.raises(ValueError, match="request 'a' has arrived before and has not ended"):
        plane.request_arrived("a", 1)


def test_a_request_cannot_end_before_it_started():
    plane = Plane(serverless())
    plane.request_arrived("a", 0)

    with pytest.raises(ValueError, match="request 'a' cannot have ended: it has not started"):
        plane.request_ended("a", 1)


def test_time_does_not_go_back():
    plane = Plane(serverless())
    plane.request_arrived("a", 5)

    with pytest.raises(ValueError, match="time went back: 4 ns after 5 ns"):
        plane.request_arrived("b", 4)
    with pytest.raises(ValueError, match="time went back: 4 ns after 5 ns"):
        plane.tick(4)


# The books.


def test_the_ledger_tells_what_each_instance_did():
    plane = Plane(serverless(concurrency=2, idle_lifetime_s=60))
    plane.request_arrived("a", at(1))
    plane.instance_ready(1, at(3))
    plane.request_arrived("b", at(3.5))
    plane.request_ended("a", at(4))
    plane.request_ended("b", at(4.55))
    plane.tick(at(100))

    (life,) = plane.ledger(at(100))

    assert life.requested_ns == at(1)
    assert life.ready_ns == life.first_request_ns == at(3)
    assert life.gone_ns == at(64.55)
    assert life.served == 2
    assert life.busy_ns == at(1.55)
    assert life.busy_tenths == 16
    assert life.request_ns == at(1) + at(1.05)


def test_the_ledger_counts_what_is_still_under_way():
    plane = warm(serverless())
    plane.request_arrived("a", at(5))

    (life,) = plane.ledger(at(7))

    assert life.gone_ns is None
    assert life.busy_ns == life.request_ns == at(2)
    assert life.busy_tenths == 20


def test_cpu_is_told_for_each_instance():
    plane = warm(serverless())

    assert plane.vcpu(1, at(1)) == 2.0
    assert plane.vcpu(1, at(11)) == 0.0
    assert plane.vcpu(99, at(11)) == 0.0


def test_its_repr_tells_the_state_in_one_line():
    plane = warm(serverless())
    plane.request_arrived("a", at(1))
    plane.request_arrived("b", at(1))

    assert repr(plane) == "<Plane 1 booting, 0 idle, 1 busy, 0 draining; 1 waiting, 1 running>"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b'{"max_instances":0}', "max_instances must be 1 or more, not 0"),
        (
            b'{"min_instances":3,"max_instances":2}',
            r"min_instances must be between 0 and max_instances \(2\), not 3",
        ),
        (b'{"concurrency":-1}', "concurrency must be 1 or more, or 0 for unlimited, not -1"),
        (b'{"request_timeout_s":0}', "request_timeout_s and vcpu must be above 0"),
        (b'{"scaling":{"policy":"request","windows_s":[0]}}', "windows_s must each be 1 s or more"),
        (b'{"idle_lifetime":5}', "Object contains unknown field `idle_lifetime`"),
    ],
)
def test_rules_that_cannot_hold_are_refused_with_the_field(document, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.json.decode(document, type=PlaneSpec)


def test_rules_read_back_as_they_were_written():
    spec = PlaneSpec(scaling=WindowDriven(scale_down_delay_s=30), pending_limit=PendingLimit(5.0))

    assert msgspec.json.decode(msgspec.json.encode(spec), type=PlaneSpec) == spec
