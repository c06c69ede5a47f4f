"""Foreign recordings turned into traces: one module a format, and this table of them."""

from replay.importers.agents.claude_code import ClaudeCode
from replay.importers.agents.claude_sessions import ClaudeSessions
from replay.importers.agents.cline import Cline
from replay.importers.agents.codex import Codex
from replay.importers.agents.copilot import Copilot
from replay.importers.agents.gemini_cli import GeminiCli
from replay.importers.agents.opencode import OpenCode
from replay.importers.agents.openhands import OpenHands
from replay.importers.agents.pi import Pi
from replay.importers.agents.qwen_code import QwenCode
from replay.importers.agents.tracelab import TraceLab
from replay.importers.captures.curl import CURL
from replay.importers.captures.gor import Gor
from replay.importers.captures.har import Har
from replay.importers.captures.http_files import HTTP_FILE
from replay.importers.captures.mitmproxy import Mitmproxy
from replay.importers.captures.postman import POSTMAN
from replay.importers.captures.targets import Targets
from replay.importers.captures.vegeta import VEGETA
from replay.importers.cleaned import Cleaned
from replay.importers.datasets.azure_functions import AzureFunctions
from replay.importers.datasets.azure_llm import AzureLlm
from replay.importers.datasets.burstgpt import BurstGpt
from replay.importers.datasets.dynamo import Dynamo
from replay.importers.datasets.mooncake import Mooncake
from replay.importers.explained import Explained
from replay.importers.loadtests.jtl import Jtl
from replay.importers.loadtests.k6 import K6
from replay.importers.loadtests.vegeta_results import VEGETA_RESULTS
from replay.importers.logs.access_log import AccessLog
from replay.importers.logs.applications.fastify_log import FastifyLog
from replay.importers.logs.applications.heroku_log import HEROKU_LOG
from replay.importers.logs.applications.uvicorn_log import UVICORN_LOG
from replay.importers.logs.applications.uwsgi_log import UWSGI_LOG
from replay.importers.logs.cloud_run import CloudRun
from replay.importers.logs.elb_log import ELB_LOG
from replay.importers.logs.envoy_log import EnvoyLog
from replay.importers.logs.haproxy_log import HAPROXY_LOG
from replay.importers.logs.json_log import JsonLog
from replay.importers.logs.lambda_log import LambdaLog
from replay.importers.logs.line_logs import LineLog
from replay.importers.logs.w3c_log import W3cLog
from replay.importers.tracing.inspect_log import InspectLog
from replay.importers.tracing.langfuse import Langfuse
from replay.importers.tracing.langsmith import LangSmith
from replay.importers.tracing.litellm import LiteLlm
from replay.importers.tracing.openai_agents import OpenAiAgents
from replay.importers.tracing.otlp import CONSOLE, JAEGER, ZIPKIN, Otlp
from replay.importers.types import Importer

IMPORTERS: dict[str, Importer] = {}
IMPORTERS |= {
    importer.name: Explained(Cleaned(importer), IMPORTERS)
    for importer in (
        ClaudeSessions(),
        Mooncake(),
        AzureLlm(),
        BurstGpt(),
        AzureFunctions(),
        Targets(VEGETA),
        Targets(CURL),
        Targets(HTTP_FILE),
        Targets(POSTMAN),
        TraceLab(),
        ClaudeCode(),
        Codex(),
        GeminiCli(),
        OpenCode(),
        OpenHands(),
        Cline(),
        Copilot(),
        Pi(),
        QwenCode(),
        Dynamo(),
        Langfuse(),
        LangSmith(),
        LiteLlm(),
        OpenAiAgents(),
        InspectLog(),
        AccessLog(),
        EnvoyLog(),
        LineLog(ELB_LOG),
        LineLog(HAPROXY_LOG),
        W3cLog(),
        LineLog(HEROKU_LOG),
        FastifyLog(),
        LineLog(UVICORN_LOG),
        LineLog(UWSGI_LOG),
        LambdaLog(),
        JsonLog(),
        CloudRun(),
        K6(),
        Jtl(),
        LineLog(VEGETA_RESULTS),
        Otlp(),
        Otlp(JAEGER),
        Otlp(ZIPKIN),
        Otlp(CONSOLE),
        Har(),
        Gor(),
        Mitmproxy(),
    )
}
