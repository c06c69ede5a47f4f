"""What the terminal says of a run that is to do no harm."""

import io

from rich.console import Console

from replay.report.terminal.run import print_dry_run
from replay.results.forecast_types import Forecast, ForecastDestination


def printed(forecast, **options):
    out = io.StringIO()
    print_dry_run(forecast, Console(file=out, width=80, highlight=False), **options)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def forecast(**fields):
    known = {
        "schema": "replay.forecast/1",
        "trace": "prod",
        "target": "staging",
        "sessions": 2,
        "steps": 9,
        "requests": 5,
        "waits": 4,
        "unsent": 0,
        "peak_rps": 3.0,
        "peak_in_flight": 1,
        "recorded_span_s": 1.0,
        "wall_s": 1.0,
        "removed_s": {},
    }
    return Forecast(**{**known, **fields})


def test_a_dry_run_says_what_requests_come_to_and_cost():
    lines = printed(
        forecast(
            withheld=3,
            methods={"GET": 4, "POST": 1},
            hosts={"https://a.example": 3, "https://b.example": 2},
            destinations=[
                ForecastDestination("GET", "https://a.example", 3),
                ForecastDestination("GET", "https://b.example", 1),
                ForecastDestination("POST", "https://b.example", 1),
            ],
            first=["curl https://a.example/x"],
            request_bytes=12_345,
            model_calls=1,
            input_tokens=1_200,
            output_tokens=400,
            model_cost=0.0048,
            images=3,
            image_bytes=250_000,
            tools_offered=1,
            tool_bytes=14_000,
        ),
        currency="USD",
    )

    assert "waits           4 (nothing is sent for them; 3 withheld, as read-only)" in lines
    assert "by method       GET 4, POST 1" in lines
    assert "by host         https://a.example 3, https://b.example 2" in lines
    assert any(line.startswith("by both         GET to https://a.example 3, GET to") for line in lines)
    assert "  curl https://a.example/x" in lines
    assert "request bytes   12.3 kB" in lines
    assert "model calls     1, with 1,200 prompt and at most 400 output tokens" in lines
    assert "images          3, made to 250 kB in all" in lines
    assert "tools offered   in 1 model call, definitions made to 14 kB in all" in lines
    assert "they cost       at most about 0.0048 USD, by the target's [cost]" in lines


def test_without_a_price_it_says_so_and_without_model_calls_nothing():
    unpriced = printed(forecast(model_calls=1))

    assert any(line.startswith("they cost       unknown: the target file has no price") for line in unpriced)
    assert not any(line.startswith(("model calls", "they cost")) for line in printed(forecast()))
