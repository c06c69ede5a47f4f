"""A plane under a virtual clock: arrivals, boots and services from lists and functions, everything recorded."""

import pytest

from tests.support.plane_simulation import Simulation


@pytest.fixture
def simulation() -> type[Simulation]:
    return Simulation
