"""The rules of known platforms, as far as their vendors document them; to be used as they are or varied.

What a vendor does not publish is said to be an assumption. A plane under such a profile is an emulation: it
follows documented rules with modelled times, and every report of it has to say so.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from replay.planes.types import PendingLimit, PlaneSpec, RequestDriven, WindowDriven

ProfileName = Literal["cloud-run", "knative", "lambda", "vm"]

# Cloud Run, General limits and About instance autoscaling: 80 at once, 100 instances, 15 min idle, 300 s.
# Assumed: the router; that the larger of both averages holds; that one instance stays for its idle lifetime.
CLOUD_RUN = PlaneSpec()

# knative/serving at 98e5ef90: config/core/configmaps/{autoscaler,defaults}.yaml, pkg/activator/net. Unlimited
# concurrency is balanced over the better of two random instances there, over the best one here; the largest
# number of instances is ours, for Knative sets none. No CPU is taken away between requests.
KNATIVE = PlaneSpec(
    concurrency=0,
    max_instances=1000,
    pending_limit="knative",
    startup_boost=False,
    cpu_when_idle="full",
    scaling=WindowDriven(),
)

# AWS Lambda, Quotas and Execution environment: one request in each environment, 1,000 of them, 900 s, frozen
# between requests, and 429 at once beyond. Assumed: the idle lifetime, which AWS does not publish (5 to 7
# minutes were observed in 2020-21, mikhail.io/serverless/coldstarts/big3; arXiv 2509.03104 models 600 s), and
# the router. Not modelled: 1,000 more environments in each 10 s.
LAMBDA = PlaneSpec(
    concurrency=1,
    max_instances=1000,
    idle_lifetime_s=600.0,
    pending_limit=PendingLimit(None),
    request_timeout_s=900.0,
    drain_s=900.0,
    startup_boost=False,
    scaling=RequestDriven(windows_s=(), keep_instances=None),
    router="most_recently_used",
    binding="early",
)

# One always-on worker with the slots of a Cloud Run instance, so that the two differ in nothing but the plane; requests
# wait in an accept queue, and no platform times them out.
VM = PlaneSpec(
    kind="vm",
    max_instances=1,
    cpu_when_idle="full",
    startup_boost=False,
)

PROFILES: Mapping[ProfileName, PlaneSpec] = MappingProxyType(
    {"cloud-run": CLOUD_RUN, "knative": KNATIVE, "lambda": LAMBDA, "vm": VM}
)
