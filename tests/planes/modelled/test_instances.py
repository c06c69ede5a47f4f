"""Modelled instances: what is planned for a request, and what a client behind the gateway then lives through."""

import asyncio
from collections import Counter
from time import monotonic_ns

import httpx
import pytest

from replay.planes.core.types import PlaneSpec
from replay.planes.modelled.asking import NOTHING_ASKED
from replay.planes.modelled.script import Script
from replay.planes.modelled.time_types import Constant, Lognormal, Spread
from replay.planes.modelled.types import Asked, Away, Faults, ModelSpec
from replay.planes.serving.serving import plane_server
from tests.support.modelled_planes import ONLY_WAITING, behind_a_gateway

AT_ONCE = ModelSpec(boot=Constant(0.0), service=Constant(0.0), between_tokens=Constant(0.0))
CHAT = "/v1/chat/completions"


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request):
    return ("asyncio", {"use_uvloop": request.param == "uvloop"})


def key(number):
    return {"traceparent": f"00-{number:032x}-{number:016x}-01"}


def with_faults(**faults):
    return ModelSpec(boot=Constant(0.0), service=Constant(0.0), faults=Faults(**faults))


# What is planned.


def planned(spec, path=b"/tools/search", *, asked=NOTHING_ASKED, keys=(b"k",), at_s=0.0):
    script = Script(spec)
    method = b"POST" if path.endswith(CHAT.encode()) else b"GET"
    return [script.plan(method, path, asked, one, at_s) for one in keys]


MANY = [b"%d" % number for number in range(20_000)]


def test_the_first_pattern_that_matches_the_path_gives_the_time_and_else_the_default():
    spec = ModelSpec(
        service=Constant(100.0),
        by_path={"/tools/search*": Constant(7.0), "/tools/*": Constant(9.0)},
    )

    assert planned(spec, b"/tools/search-web")[0].work_ms == 7.0
    assert planned(spec, b"/tools/crm")[0].work_ms == 9.0
    assert planned(spec, b"/orders/1")[0].work_ms == 100.0


def test_with_no_default_a_kind_takes_its_usual_time():
    assert planned(ModelSpec(by_kind={"tool": Spread(50.0)}))[0].work_ms == 50.0


def test_speed_divides_the_service_and_not_the_boot():
    spec = ModelSpec(boot=Constant(500.0), service=Constant(100.0), speed=4.0)

    assert planned(spec)[0].work_ms == 25.0
    assert Script(spec).boot_ms(1) == 500.0


def test_a_streamed_model_call_takes_its_time_to_the_first_token_and_a_whole_one_all_its_tokens():
    spec = ModelSpec(service=Constant(300.0), between_tokens=Constant(10.0))
    (streamed,) = planned(spec, CHAT.encode(), asked=Asked(11, stream=True))
    (whole,) = planned(spec, CHAT.encode(), asked=Asked(11))

    assert (streamed.work_ms, streamed.tokens, streamed.stream) == (300.0, 11, True)
    assert (whole.work_ms, whole.tokens, whole.stream) == (400.0, 11, False)


def test_the_same_key_gets_the_same_plan_in_any_order():
    spec = ModelSpec(service=Lognormal(100.0, 300.0), faults=Faults(error_ratio=0.3))
    forward = [(plan.fate, plan.work_ms) for plan in planned(spec, keys=MANY[:50])]
    backward = [(plan.fate, plan.work_ms) for plan in planned(spec, keys=MANY[:50][::-1])]

    assert forward == backward[::-1]


def test_each_fault_comes_as_often_as_its_ratio_says():
    fates = Counter(
        plan.fate
        for plan in planned(with_faults(dies_ratio=0.01, reset_ratio=0.05, error_ratio=0.1), keys=MANY)
    )

    assert fates["dies"] == pytest.approx(200, abs=45)
    assert fates["resets"] == pytest.approx(990, abs=95)
    assert fates["fails"] == pytest.approx(1881, abs=125)


def test_faults_do_not_change_the_times_of_other_requests():
    calm = ModelSpec(service=Lognormal(100.0, 300.0))
    faulty = ModelSpec(service=Lognormal(100.0, 300.0), faults=Faults(error_ratio=0.5, slow_ratio=0.5))

    assert [plan.work_ms for plan in planned(calm, keys=MANY[:100])] == [
        plan.work_ms for plan in planned(faulty, keys=MANY[:100])
    ]


def test_a_dependency_is_away_from_its_instant_for_its_time():
    spec = with_faults(away=(Away(10.0, 5.0),))

    assert [planned(spec, at_s=at_s)[0].fate for at_s in (9.999, 10.0, 14.999, 15.0)] == [
        "answers",
        "away",
        "away",
        "answers",
    ]


def test_an_instance_that_could_not_hold_one_request_is_refused():
    with pytest.raises(ValueError, match="memory_mib must hold an instance with one request"):
        ModelSpec(memory_mib=100.0, idle_mib=90.0, request_mib=20.0)


# What a client lives through. Times are bounded from below alone: never faster than the model.


@pytest.mark.anyio
async def test_a_cold_request_waits_the_boot_and_takes_the_service_and_a_warm_one_the_service_alone():
    model = ModelSpec(boot=Constant(120.0), service=Constant(30.0))
    async with behind_a_gateway(model) as (client, _):
        begin_ns = monotonic_ns()
        cold = await client.get("/tools/search")
        cold_ms = (monotonic_ns() - begin_ns) / 1e6
        begin_ns = monotonic_ns()
        warm = await client.get("/tools/search")
        warm_ms = (monotonic_ns() - begin_ns) / 1e6

    assert (cold.headers["x-replay-cold"], cold.headers["x-replay-fresh"]) == ("1", "1")
    assert float(cold.headers["x-replay-waited-ms"]) >= 120.0
    assert cold_ms >= 150.0
    assert cold_ms >= float(cold.headers["x-replay-waited-ms"]) + 30.0
    assert (warm.headers["x-replay-cold"], warm.headers["x-replay-waited-ms"]) == ("0", "0.000")
    assert warm_ms >= 30.0


@pytest.mark.anyio
async def test_requests_that_come_during_a_boot_share_it():
    model = ModelSpec(boot=Constant(100.0), service=Constant(0.0))
    async with behind_a_gateway(model, max_instances=1) as (client, _):
        answers = await asyncio.gather(*(client.get("/tools/search") for _ in range(5)))

    assert [answer.headers["x-replay-instance"] for answer in answers] == ["i-1"] * 5
    assert sum(answer.headers["x-replay-fresh"] == "1" for answer in answers) == 1
    assert max(float(answer.headers["x-replay-waited-ms"]) for answer in answers) >= 100.0


@pytest.mark.anyio
async def test_two_requests_that_share_a_processor_take_the_sum_of_their_work():
    model = ModelSpec(boot=Constant(0.0), service=Constant(60.0), sharing="processor")
    async with behind_a_gateway(model, max_instances=1, startup_boost=False) as (client, _):
        begin_ns = monotonic_ns()
        await asyncio.gather(client.get("/a"), client.get("/b"))
        together_ms = (monotonic_ns() - begin_ns) / 1e6

    assert together_ms >= 120.0


@pytest.mark.anyio
async def test_what_a_request_leaves_behind_slows_the_next_where_idle_instances_have_no_cpu():
    model = ModelSpec(
        boot=Constant(0.0), service=Constant(40.0), background=Constant(40.0), sharing="processor"
    )
    async with behind_a_gateway(model, max_instances=1, startup_boost=False) as (client, instances):
        await client.get("/a")
        begin_ns = monotonic_ns()
        await client.get("/b")
        second_ms = (monotonic_ns() - begin_ns) / 1e6

    assert second_ms >= 80.0
    assert (instances.background_done, instances.background_lost) == (1, 1)


@pytest.mark.anyio
async def test_a_boot_takes_what_it_waits_for_and_what_it_computes_with_the_boost():
    model = ModelSpec(boot=Constant(20.0), boot_cpu=Constant(80.0), service=Constant(0.0))
    async with behind_a_gateway(model) as (client, _):
        answer = await client.get("/a")

    assert float(answer.headers["x-replay-waited-ms"]) >= 60.0


@pytest.mark.anyio
async def test_a_stream_passes_with_its_first_token_and_its_gaps():
    model = ModelSpec(boot=Constant(0.0), service=Constant(40.0), between_tokens=Constant(2.0))
    async with behind_a_gateway(model) as (client, _):
        begin_ns = monotonic_ns()
        asked = {"max_tokens": 20, "stream": True}
        async with client.stream("POST", CHAT, json=asked) as answer:
            first_ns, events = 0, []
            async for line in answer.aiter_lines():
                first_ns = first_ns or monotonic_ns()
                events += [line] if line else []
        end_ns = monotonic_ns()

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert sum('"delta":{"content":' in event for event in events) == 20
    assert events[-1] == "data: [DONE]"
    assert first_ns - begin_ns >= 40e6
    assert end_ns - begin_ns >= 78e6


@pytest.mark.anyio
async def test_a_model_call_that_is_not_streamed_is_one_completion_of_so_many_tokens():
    async with behind_a_gateway(AT_ONCE) as (client, _):
        answer = await client.post(CHAT, json={"max_tokens": 7})

    assert answer.json()["usage"]["completion_tokens"] == 7


@pytest.mark.anyio
async def test_errors_and_resets_are_exactly_those_that_the_seed_gives():
    model = with_faults(reset_ratio=0.1, error_ratio=0.2, error_status=500)
    fates = Counter(
        plan.fate for plan in planned(model, keys=[key(n)["traceparent"].encode() for n in range(60)])
    )
    statuses = Counter()
    async with behind_a_gateway(model) as (client, instances):
        for n in range(60):
            try:
                statuses[(await client.get("/tools/search", headers=key(n))).status_code] += 1
            except httpx.TransportError:
                statuses["cut"] += 1

    assert statuses == {200: fates["answers"], 500: fates["fails"], "cut": fates["resets"]}
    assert min(statuses.values()) > 0
    assert instances.requests == 60


@pytest.mark.anyio
async def test_a_slow_body_comes_whole_and_takes_its_time():
    model = with_faults(slow_ratio=1.0, slow_body=Constant(80.0))
    async with behind_a_gateway(model) as (client, _):
        begin_ns = monotonic_ns()
        answer = await client.get("/tools/search")
        took_ns = monotonic_ns() - begin_ns

    assert answer.json() == {"answer": "modelled", "name": "search"}
    assert took_ns >= 80e6


@pytest.mark.anyio
async def test_an_instance_that_dies_under_a_request_fails_it_and_the_next_gets_another_instance():
    model = with_faults(dies_ratio=0.25)
    dying = next(
        n for n in range(1000) if planned(model, keys=[key(n)["traceparent"].encode()])[0].fate == "dies"
    )
    living = next(
        n for n in range(1000) if planned(model, keys=[key(n)["traceparent"].encode()])[0].fate == "answers"
    )
    async with behind_a_gateway(model) as (client, _):
        before = await client.get("/tools/search", headers=key(living))
        lost = await client.get("/tools/search", headers=key(dying))
        after = await client.get("/tools/search", headers=key(living))

    assert (before.status_code, before.headers["x-replay-instance"]) == (200, "i-1")
    assert lost.status_code in (502, 503)
    assert (after.status_code, after.headers["x-replay-instance"]) == (200, "i-2")


@pytest.mark.anyio
async def test_more_requests_than_its_memory_holds_kill_an_instance_and_are_lost():
    model = ModelSpec(
        boot=Constant(0.0), service=Constant(3_600_000.0), memory_mib=512, idle_mib=100, request_mib=200
    )
    async with behind_a_gateway(model, max_instances=1) as (client, instances):
        held = await asyncio.gather(*(client.get("/tools/big") for _ in range(3)))

    assert instances.killed_for_memory == 1
    assert {answer.status_code for answer in held} <= {502, 503}


@pytest.mark.anyio
async def test_while_what_it_depends_on_is_away_an_instance_answers_at_once_with_an_error():
    model = ModelSpec(
        boot=Constant(0.0), service=Constant(3_600_000.0), faults=Faults(away=(Away(0.0, 3600.0),))
    )
    async with behind_a_gateway(model) as (client, _):
        answer = await client.get("/tools/search")

    assert answer.status_code == 503
    assert "away" in answer.json()["error"]


@pytest.mark.anyio
async def test_a_deploy_at_its_time_replaces_every_instance_and_no_request_fails():
    model = ModelSpec(boot=Constant(0.0), service=Constant(5.0), faults=Faults(deploys_s=(0.1,)))
    seen = Counter()

    async def ask_on(client):
        while not {"i-3", "i-4"} <= set(seen):
            answer = await client.get("/tools/search")
            seen[answer.headers.get("x-replay-instance", answer.status_code)] += 1

    async with behind_a_gateway(model, kind="vm", max_instances=2, concurrency=2) as (client, instances):
        async with asyncio.timeout(30):
            await asyncio.gather(*(ask_on(client) for _ in range(6)))
        gateway = instances.owner

    # A busy machine may have its deploy before each of the first two has answered.
    assert {"i-3", "i-4"} <= set(seen) <= {"i-1", "i-2", "i-3", "i-4"}
    assert gateway.counts["lost"] == gateway.counts["refused"] == 0
    assert gateway.plane.outgoing == 0


@pytest.mark.anyio
async def test_a_client_that_leaves_frees_its_share():
    model = ModelSpec(boot=Constant(0.0), service=Constant(3_600_000.0), by_path={"/quick": Constant(0.0)})
    async with behind_a_gateway(model, max_instances=1, concurrency=1) as (client, _):
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/slow", timeout=0.05)
        answer = await client.get("/quick")

    assert answer.status_code == 200


@pytest.mark.anyio
async def test_a_plane_of_modelled_instances_is_served_with_its_control_address():
    spec = PlaneSpec(max_instances=2, scaling=ONLY_WAITING)
    async with (
        plane_server(spec, AT_ONCE, control_port=0) as where,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        answer = await client.get(f"{where.url}/tools/search")
        metrics = await client.get(f"{where.control_url}/metrics")

    assert answer.json() == {"answer": "modelled", "name": "search"}
    assert metrics.status_code == 200
