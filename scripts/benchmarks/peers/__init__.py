"""The clients, a module each, and the table of them.

Each sends exactly the same requests, over connections that it keeps.
"""

from benchmarks.peers.autocannon import AUTOCANNON
from benchmarks.peers.h2load import H2LOAD
from benchmarks.peers.hey import HEY
from benchmarks.peers.k9 import K9_PLAN, K9_SCRIPT
from benchmarks.peers.locust import LOCUST
from benchmarks.peers.ours import OURS
from benchmarks.peers.python_clients import AIOHTTP_CLIENT, HTTPX_CLIENT
from benchmarks.peers.types import Peer
from benchmarks.peers.wrk import WRK

# In the order of the table; they take turns in it.
PEERS: tuple[Peer, ...] = (
    OURS,
    WRK,
    H2LOAD,
    K9_PLAN,
    K9_SCRIPT,
    AUTOCANNON,
    HEY,
    AIOHTTP_CLIENT,
    LOCUST,
    HTTPX_CLIENT,
)
