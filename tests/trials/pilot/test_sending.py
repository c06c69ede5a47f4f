"""Where a hybrid target sends each kind of step."""

from replay.target.routes import Route
from replay.target.target import Target
from replay.trials.pilot.sending import routes_of
from tests.choice.cases import step, workload


def test_steps_go_where_the_routes_of_the_file_send_them():
    hybrid = Target(
        url="http://edge",
        name="h",
        plane="hybrid",
        routes=(
            Route(kind="tool", name="build*", send_to="http://worker"),
            Route(kind="tool", name="human", wait=True),
        ),
    )
    load = workload(
        series=[
            step("tool", "build-image", 45_000.0, 0.9),
            step("tool", "human", 9_000.0, 0.05),
            step("http", "edge", 80.0, 0.05),
            step("tool", "think", 80.0, 0.0, is_local=True),
        ]
    )

    found = routes_of(hybrid, load)

    assert [(route.name, route.to) for route in found] == [("build-image", "vm"), ("edge", "serverless")]
    assert found[0].why == "a route sends it to http://worker"
