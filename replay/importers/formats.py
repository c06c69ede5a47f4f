"""The formats that can be imported, and where what reads each of them is: one module a format, and this table.

All of them together take half a second to import, of every process that shares the work on a long log, too. So each is
imported when it is asked for, and what help says of it stands here as well.
"""

from typing import NamedTuple


class Format(NamedTuple):
    """where: of the importer's class, as `module:name` below replay.importers. told: of what that is told."""

    name: str
    describe: str
    where: str
    told: str = ""


FORMATS = (
    Format(
        "claude-sessions",
        "coding-agent sessions, one JSON document a file; a file or a folder of them",
        "agents.claude_sessions:ClaudeSessions",
    ),
    Format(
        "mooncake", "model requests with timestamps and prefix blocks, JSON Lines", "datasets.mooncake:Mooncake"
    ),
    Format(
        "azure-llm",
        "Azure's LLM inference traces, CSV or Parquet: timestamps and token counts",
        "datasets.azure_llm:AzureLlm",
    ),
    Format(
        "burstgpt",
        "BurstGPT's model requests, CSV or Parquet: start, tokens and, in newer files, sessions and durations",
        "datasets.burstgpt:BurstGpt",
    ),
    Format(
        "azure-functions",
        "Azure's function invocations of 2021, CSV or Parquet: end and duration of each call",
        "datasets.azure_functions:AzureFunctions",
    ),
    Format(
        "vegeta",
        "targets of vegeta, as text or JSON; they have no times",
        "captures.targets:Targets",
        "captures.vegeta:VEGETA",
    ),
    Format("curl", "commands of curl; they have no times", "captures.targets:Targets", "captures.curl:CURL"),
    Format(
        "k6-script",
        "scripts of k6; they have no times",
        "captures.targets:Targets",
        "captures.k6_scripts:K6_SCRIPT",
    ),
    Format(
        "http-file",
        ".http files of editors' REST clients; they have no times",
        "captures.targets:Targets",
        "captures.http_files:HTTP_FILE",
    ),
    Format(
        "postman",
        "collections of Postman (v2) and newman's reports; they have no times",
        "captures.targets:Targets",
        "captures.postman:POSTMAN",
    ),
    Format(
        "tracelab",
        "TraceLab's rounds of coding agents: model calls and their tools, JSON Lines",
        "agents.tracelab:TraceLab",
    ),
    Format(
        "claude-code",
        "Claude Code's own session logs, JSON Lines; a file or a folder of them",
        "agents.claude_code:ClaudeCode",
    ),
    Format(
        "codex",
        "Codex's own session logs (rollouts), JSON Lines; a file or a folder of them",
        "agents.codex:Codex",
    ),
    Format(
        "gemini-cli",
        "session logs of Gemini CLI, JSON Lines or JSON, a file each",
        "agents.gemini_cli:GeminiCli",
    ),
    Format(
        "opencode",
        "sessions of OpenCode, as `opencode export` prints them, or its opencode.db",
        "agents.opencode:OpenCode",
    ),
    Format(
        "openhands",
        "conversations of OpenHands, its trajectories and evaluations, a folder or file each",
        "agents.openhands:OpenHands",
    ),
    Format(
        "cline",
        "messages of Cline, Roo Code and Kilo Code (ui_messages.json), a file each",
        "agents.cline:Cline",
    ),
    Format("copilot", "sessions of GitHub Copilot CLI (events.jsonl), a file each", "agents.copilot:Copilot"),
    Format("pi", "session logs of pi and OpenClaw, JSON Lines, a file each", "agents.pi:Pi"),
    Format("qwen-code", "session logs of Qwen Code, JSON Lines, a file each", "agents.qwen_code:QwenCode"),
    Format(
        "dynamo", "NVIDIA Dynamo's request traces with agents and tools, JSON Lines", "datasets.dynamo:Dynamo"
    ),
    Format(
        "freeinference",
        "the FreeInference agentic trace, sessions as JSON Lines or its tables in Parquet",
        "datasets.freeinference:FreeInference",
    ),
    Format("langfuse", "observations exported from Langfuse, JSON or JSON Lines", "tracing.langfuse:Langfuse"),
    Format(
        "langsmith",
        "runs exported from LangSmith, JSON, JSON Lines or CSV, and batches of its SDK",
        "tracing.langsmith:LangSmith",
    ),
    Format(
        "litellm",
        "LiteLLM's logs of model calls (StandardLoggingPayload, spend logs), JSON or JSON Lines",
        "tracing.litellm:LiteLlm",
    ),
    Format(
        "openai-agents",
        "traces of the OpenAI Agents SDK, as it exports them, JSON or JSON Lines",
        "tracing.openai_agents:OpenAiAgents",
    ),
    Format("inspect", "evaluation logs of Inspect, .eval or .json", "tracing.inspect_log:InspectLog"),
    Format(
        "access-log",
        "nginx and Apache access logs, common or combined, with request_time or %D",
        "logs.access_log:AccessLog",
    ),
    Format(
        "envoy-log", "Envoy's and Istio's access logs in their default text format", "logs.envoy_log:EnvoyLog"
    ),
    Format(
        "elb-log",
        "access logs of AWS's Application and Classic Load Balancers",
        "logs.line_logs:LineLog",
        "logs.elb_log:ELB_LOG",
    ),
    Format(
        "s3-log",
        "server access logs of Amazon S3",
        "logs.line_logs:LineLog",
        "logs.fixed.s3_log:S3_LOG",
    ),
    Format(
        "iis-log",
        "logs of IIS in its own comma format",
        "logs.line_logs:LineLog",
        "logs.fixed.iis_log:IIS_LOG",
    ),
    Format(
        "squid-log",
        "Squid's own access logs",
        "logs.line_logs:LineLog",
        "logs.fixed.squid_log:SQUID_LOG",
    ),
    Format(
        "haproxy-log",
        "HAProxy's HTTP logs (option httplog, httpslog)",
        "logs.line_logs:LineLog",
        "logs.haproxy_log:HAPROXY_LOG",
    ),
    Format(
        "w3c-log",
        "logs of CloudFront and IIS in the W3C's extended format, with a #Fields line",
        "logs.w3c_log:W3cLog",
    ),
    Format(
        "heroku-log",
        "Heroku's logs, with the router's lines",
        "logs.line_logs:LineLog",
        "logs.applications.heroku_log:HEROKU_LOG",
    ),
    Format("fastify-log", "Fastify's logs, two lines a request", "logs.applications.fastify_log:FastifyLog"),
    Format(
        "uvicorn-log",
        "uvicorn's logs of requests, with times",
        "logs.line_logs:LineLog",
        "logs.applications.uvicorn_log:UVICORN_LOG",
    ),
    Format(
        "framework-log",
        "requests as Gin (Ollama), chi, Tornado, aiohttp, Django, Sanic, Hypercorn, Granian, morgan, Koa and llama.cpp "
        "log them",
        "logs.line_logs:LineLog",
        "logs.applications.framework_log:FRAMEWORK_LOG",
    ),
    Format(
        "uwsgi-log",
        "uWSGI's logs of requests",
        "logs.line_logs:LineLog",
        "logs.applications.uwsgi_log:UWSGI_LOG",
    ),
    Format(
        "lambda-log",
        "AWS Lambda's REPORT, START and INIT_START lines, as text or JSON",
        "logs.lambda_log:LambdaLog",
    ),
    Format("json-log", "nginx, Apache and Envoy access logs as JSON Lines", "logs.json_log:JsonLog"),
    Format(
        "cloud-run", "Cloud Run's request logs, exported from Cloud Logging as JSON", "logs.cloud_run:CloudRun"
    ),
    Format("k6", "results of k6 (--out json, --out csv)", "loadtests.k6:K6"),
    Format(
        "jtl", "results of JMeter (JTL) in XML, or in CSV with the names of the columns", "loadtests.jtl:Jtl"
    ),
    Format(
        "vegeta-results",
        "results of vegeta, encoded to JSON or CSV",
        "logs.line_logs:LineLog",
        "loadtests.vegeta_results:VEGETA_RESULTS",
    ),
    Format(
        "inference-perf",
        "spans that inference-perf replays, and its reports of single requests",
        "loadtests.inference_perf:InferencePerf",
    ),
    Format(
        "load-times",
        "times of single requests, as hey (-o csv), oha (csv) and h2load (--log-file) write them",
        "loadtests.load_times:LoadTimes",
    ),
    Format(
        "otlp",
        "OpenTelemetry spans (OTLP, with GenAI, MCP or HTTP attributes), JSON or protobuf",
        "tracing.otlp:Otlp",
    ),
    Format(
        "jaeger",
        "spans in Jaeger's JSON, with the attributes of otlp",
        "tracing.otlp:Otlp",
        "tracing.otlp:JAEGER",
    ),
    Format(
        "zipkin",
        "spans in Zipkin's JSON v2, with the attributes of otlp",
        "tracing.otlp:Otlp",
        "tracing.otlp:ZIPKIN",
    ),
    Format(
        "otel-console",
        "spans that OpenTelemetry's SDKs for Python, Go and JavaScript printed",
        "tracing.otlp:Otlp",
        "tracing.otlp:CONSOLE",
    ),
    Format("har", "HAR 1.2 of browsers and proxies: pages as sessions, requests as steps", "captures.har:Har"),
    Format(
        "tshark",
        "HTTP in captured packets, as tshark -T json or -T ek writes them of a pcap",
        "captures.tshark:Tshark",
    ),
    Format("gor", "GoReplay's captures, requests and responses", "captures.gor:Gor"),
    Format(
        "mitmproxy",
        "flow dumps of mitmproxy: client connections as sessions, requests as steps",
        "captures.mitmproxy:Mitmproxy",
    ),
)
"""In the order in which a file is held to them, where its format is not named."""
