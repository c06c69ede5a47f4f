"""The rules of known platforms, as far as their vendors document them; to be used as they are or varied.

What a vendor does not publish is said to be an assumption. A plane under such a profile is an emulation: it
follows documented rules with modelled times, and every report of it has to say so.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from replay.planes.core.scaling_types import GroupDriven, RequestDriven, WindowDriven
from replay.planes.core.types import PendingLimit, PlaneSpec
from replay.planes.modelled.time_types import CONTAINER_BOOT, Lognormal

ProfileName = Literal["cloud-run", "knative", "lambda", "vm", "gce-mig", "kubernetes-hpa"]

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

# A managed instance group of Compute Engine that scales by CPU: 60 % of it, sized for the peak of the last 10
# minutes; the initialisation period is 60 s (Autoscaling groups of instances; AutoscalingPolicy, coolDownPeriodSec).
# Assumed: that it decides once a minute by the mean of that minute; that machines leave with their last request, as
# connection draining allows up to an hour; slots, size and number of machines, which everybody sets for himself. Not
# modelled: predictive autoscaling and scale-in controls.
GCE_MIG = PlaneSpec(
    kind="group",
    min_instances=1,
    max_instances=10,
    startup_boost=False,
    cpu_when_idle="full",
    scaling=GroupDriven(target="cpu", target_ratio=0.6, hold_s=600.0, initialise_s=60.0),
)

# Pods under a Horizontal Pod Autoscaler: ceil(current * metric / target) every 15 s with a tolerance of 0.1; 80 % of
# the requested CPU where no metric is named (API reference, HorizontalPodAutoscalerSpec); the largest size of the
# last 300 s holds; 4 pods or 100 % more in 15 s (Horizontal Pod Autoscaling, default behaviour). Assumed: that the
# nodes have room, so that a pod boots as a container does; that the metric is the mean of 15 s (metrics-server,
# --metric-resolution); that pods leave with their last request: 30 s is the default, but who serves longer requests
# raises terminationGracePeriodSeconds. Slots, size and number of pods are everybody's own.
KUBERNETES_HPA = PlaneSpec(
    kind="group",
    min_instances=1,
    max_instances=10,
    startup_boost=False,
    cpu_when_idle="full",
    scaling=GroupDriven(
        target="cpu",
        target_ratio=0.8,
        window_s=15,
        evaluate_s=15.0,
        tolerance_ratio=0.1,
        hold_s=300.0,
        most_added=4,
        most_added_ratio=1.0,
        added_period_s=15.0,
    ),
)

# What is known of the instances of a platform; else the usual boot of the kind holds.
# Cloud Run: Python, 1 vCPU, 512 MiB, without boost: 1 to 3 s, most of them 1.5 to 2 (read off a chart, every 30
# minutes, 13 to 20 March 2024, knmts.com/350). Lambda: initialisation of a Python function from a ZIP file, 512 MB,
# x86, 60 days to 2026-08-22, about 590 of them (maxday/lambda-perf at 6070b794; the quantiles are ours).
MODELS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "cloud-run": {"boot": msgspec.to_builtins(Lognormal(1750.0, 3000.0))},
        "lambda": {"boot": msgspec.to_builtins(Lognormal(87.0, 207.0))},
        "gce-mig": {"sharing": "processor"},
        "kubernetes-hpa": {"sharing": "processor", "boot": msgspec.to_builtins(CONTAINER_BOOT)},
    }
)

PROFILES: Mapping[ProfileName, PlaneSpec] = MappingProxyType(
    {
        "cloud-run": CLOUD_RUN,
        "knative": KNATIVE,
        "lambda": LAMBDA,
        "vm": VM,
        "gce-mig": GCE_MIG,
        "kubernetes-hpa": KUBERNETES_HPA,
    }
)


def with_profile(simulate: Mapping[str, Any]) -> dict[str, Any]:
    """A [simulate] table whose `profile` fills in what its plane and instances leave out; others as they are, and those
    with something else than tables in these places, which whoever reads the table refuses.

    A policy of scaling is filled in too, unless it is another than the profile's.
    """
    name = simulate.get("profile")
    profile = next((spec for known, spec in PROFILES.items() if known == name), None)
    plane, instances = simulate.get("plane", {}), simulate.get("instances", {})
    if name is None or profile is None or not (isinstance(plane, dict) and isinstance(instances, dict)):
        return dict(simulate)
    rules = msgspec.to_builtins(profile)
    plane = dict(plane)
    scaling = plane.get("scaling")
    if (
        isinstance(scaling, dict)
        and scaling.get("policy", rules["scaling"]["policy"]) == rules["scaling"]["policy"]
    ):
        plane["scaling"] = {**rules["scaling"], **scaling}
    return {
        **simulate,
        "plane": {**rules, **plane},
        "instances": {**MODELS.get(name, {}), **instances},
    }
