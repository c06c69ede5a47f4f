"""The two relays that we ship, each in front of one server: what holds for one holds for the other."""

import pytest


@pytest.fixture(params=["gateway", "recorder"])
def kind(request):
    return request.param


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request):
    return ("asyncio", {"use_uvloop": request.param == "uvloop"})
