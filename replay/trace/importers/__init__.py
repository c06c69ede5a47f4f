"""Foreign recordings turned into traces: one module a format, and this table of them."""

from replay.trace.importers.access_log import AccessLog
from replay.trace.importers.azure_functions import AzureFunctions
from replay.trace.importers.azure_llm import AzureLlm
from replay.trace.importers.burstgpt import BurstGpt
from replay.trace.importers.claude_code import ClaudeCode
from replay.trace.importers.claude_sessions import ClaudeSessions
from replay.trace.importers.cloud_run import CloudRun
from replay.trace.importers.codex import Codex
from replay.trace.importers.dynamo import Dynamo
from replay.trace.importers.envoy_log import EnvoyLog
from replay.trace.importers.gor import Gor
from replay.trace.importers.har import Har
from replay.trace.importers.json_log import JsonLog
from replay.trace.importers.langfuse import Langfuse
from replay.trace.importers.langsmith import LangSmith
from replay.trace.importers.mitmproxy import Mitmproxy
from replay.trace.importers.mooncake import Mooncake
from replay.trace.importers.otlp import Otlp
from replay.trace.importers.tracelab import TraceLab
from replay.trace.importers.types import Importer
from replay.trace.importers.vegeta import Vegeta

IMPORTERS: dict[str, Importer] = {
    importer.name: importer
    for importer in (
        ClaudeSessions(),
        Mooncake(),
        AzureLlm(),
        BurstGpt(),
        AzureFunctions(),
        Vegeta(),
        TraceLab(),
        ClaudeCode(),
        Codex(),
        Dynamo(),
        Langfuse(),
        LangSmith(),
        AccessLog(),
        EnvoyLog(),
        JsonLog(),
        CloudRun(),
        Otlp(),
        Har(),
        Gor(),
        Mitmproxy(),
    )
}
