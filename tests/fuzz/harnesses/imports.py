"""Every importer, by the table of them: what it makes of any bytes is a trace, or an error in one sentence."""

import sys
from pathlib import Path

from replay.assembly.types import Importer, ImportOptions
from replay.importers import IMPORTERS
from replay.importers.doubts import Doubts
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter
from tests.fuzz.contract import Harness
from tests.fuzz.seeds import imports_of
from tests.support.recordings import in_place_of_mitmproxy

_NOW_NS = 1_796_000_000_000_000_000
_READS = {
    "access-log": (
        "logs.access_log",
        "logs.log_format",
        "logs.nginx_format",
        "logs.apache_format",
        "logs.log_times",
        "logs.log_frames",
        "logs.log_lines",
        "logs.logged_requests",
        "doubts",
    ),
    "claude-code": ("agents.claude_code", "agents.claude_code_log"),
    "cloud-run": ("logs.cloud_run",),
    "curl": ("captures.curl",),
    "http-file": ("captures.http_files",),
    "k6-script": ("captures.k6_scripts",),
    "postman": ("captures.postman",),
    "codex": ("agents.codex", "agents.codex_log"),
    "dynamo": ("datasets.dynamo",),
    "freeinference": ("datasets.freeinference",),
    "envoy-log": ("logs.envoy_log",),
    "s3-log": ("logs.fixed.s3_log",),
    "iis-log": ("logs.fixed.iis_log",),
    "squid-log": ("logs.fixed.squid_log",),
    "elb-log": ("logs.elb_log", "logs.line_logs"),
    "gor": ("captures.gor",),
    "har": ("captures.har", "captures.har_entries", "captures.har_sockets"),
    "haproxy-log": ("logs.haproxy_log",),
    "json-log": (
        "logs.json_log",
        "logs.json_layouts",
        "logs.named_keys",
        "logs.blocks.json_blocks",
        "logs.blocks.json_plan",
    ),
    "lambda-log": ("logs.lambda_log",),
    "inspect": ("tracing.inspect_log",),
    "langfuse": ("tracing.langfuse",),
    "langsmith": ("tracing.langsmith",),
    "litellm": ("tracing.litellm",),
    "mitmproxy": ("captures.mitmproxy",),
    "mooncake": ("datasets.mooncake",),
    "gemini-cli": ("agents.gemini_cli",),
    "fastify-log": ("logs.applications.fastify_log",),
    "heroku-log": ("logs.applications.heroku_log",),
    "uvicorn-log": ("logs.applications.uvicorn_log", "logs.applications.fronts"),
    "framework-log": ("logs.applications.framework_log", "logs.applications.fronts"),
    "uwsgi-log": ("logs.applications.uwsgi_log",),
    "cline": ("agents.cline",),
    "openhands": ("agents.openhands", "agents.openhands_events", "agents.openhands_turns"),
    "copilot": ("agents.copilot", "agents.copilot_log", "agents.logged_turns"),
    "pi": ("agents.pi",),
    "qwen-code": ("agents.qwen_code",),
    "opencode": ("agents.opencode",),
    "openai-agents": ("tracing.openai_agents",),
    "jtl": ("loadtests.jtl", "loadtests.jtl_xml"),
    "k6": ("loadtests.k6",),
    "inference-perf": ("loadtests.inference_perf", "tracing.layouts.plain_spans"),
    "load-times": ("loadtests.load_times",),
    "jaeger": ("tracing.layouts.jaeger",),
    "otel-console": ("tracing.layouts.console_spans", "tracing.layouts.node_console"),
    "otlp": (
        "tracing.layouts.mlflow_spans",
        "tracing.otlp",
        "tracing.otlp_files",
        "tracing.otlp_json",
        "tracing.otlp_own_names",
        "tracing.otlp_protobuf",
        "tracing.otlp_requests",
    ),
    "tshark": (
        "captures.tshark",
        "captures.packets.written",
        "captures.packets.streams",
        "captures.packets.connections",
        "captures.packets.http1",
        "captures.packets.http2",
        "captures.packets.sockets",
        "captures.packets.steps",
    ),
    "vegeta": ("captures.vegeta", "captures.targets"),
    "vegeta-results": ("loadtests.vegeta_results",),
    "zipkin": ("tracing.layouts.zipkin",),
    "w3c-log": (
        "logs.w3c_log",
        "logs.w3c_columns",
    ),
}


_READS_BESIDE = {
    "access-log": (
        "replay.assembly.requests.lines",
        "replay.assembly.requests.log_fields",
        "replay.assembly.requests.session_lines",
    ),
    "azure-llm": ("replay.reading.table_rows",),
    "claude-code": ("replay.assembly.tool_requests",),
    "cloud-run": ("replay.reading.damage",),
    "curl": (
        "replay.reading.shell.curl_scripts",
        "replay.reading.curl_urls",
        "replay.reading.forms",
        "replay.reading.shell.loops",
        "replay.reading.shell.words",
        "replay.reading.shell.windows_words",
    ),
    "dynamo": ("replay.assembly.prompt_blocks",),
    "http-file": ("replay.reading.written_values",),
    "inspect": ("replay.trace.file.zipped",),
    "langfuse": ("replay.reading.json_items", "replay.reading.timestamps"),
    "otel-console": ("replay.reading.node_values",),
    "mooncake": ("replay.reading.inputs", "replay.reading.rows"),
}
# What a user may say of a log besides.
_DECLARED = {
    "access-log": {
        "log_format": '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent'
    },
    "json-log": {"keys": "start=time,path=request_uri,duration_s=request_time"},
}


def _imported(importer: Importer, data: bytes, folder: Path) -> bool:
    path = folder / "input"
    path.write_bytes(data)
    importer.sniff(data[:4096])
    chosen = ImportOptions(
        session_by="x-run"
        if importer.name in ("gor", "har", "json-log", "mitmproxy", "tshark") and data[-1:] > b"m"
        else None,
        responses="keep" if importer.name in ("har", "tshark") else "drop",
        **(_DECLARED.get(importer.name, {}) if data[-2:-1] > b"m" else {}),
    )
    result = importer.read([path], chosen)
    doubts = Doubts(None, _NOW_NS)
    with TraceWriter(folder / "out.jsonl", result.header) as writer:
        if result.lines is None:
            for session in map(doubts.seen, result.sessions()):
                writer.write(session)
        else:
            for lines in map(doubts.seen_lines, result.lines(writer.pack)):
                writer.write_lines(lines.text, lines.starts_ms, lines.steps)
    list(doubts.told())
    assert result.notes
    return True


def _harness_of(importer: Importer) -> Harness:
    def feed(data: bytes, folder: Path) -> bool:
        if importer.name == "mitmproxy":
            sys.modules.update(in_place_of_mitmproxy())
        return _imported(importer, data, folder)

    covers = (
        *(f"replay.importers.{module}" for module in _READS.get(importer.name, ())),
        *_READS_BESIDE.get(importer.name, ()),
    )
    return Harness(f"import:{importer.name}", feed, (TraceError,), lambda: imports_of(importer.name), covers)


HARNESSES = tuple(_harness_of(importer) for importer in IMPORTERS.values())
