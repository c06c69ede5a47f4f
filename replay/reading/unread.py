"""Files that are known and not read, or not as they are, and what to do instead. Told by their first bytes. Pure."""

import re

_SUMS = "and does not tell of single requests"
_COPY = "its requests copied as cURL are read."
_RECORD_LOAD = "Record such a run with replay trace record."
# Each told by all of its patterns.
_KNOWN = tuple(
    (tuple(re.compile(pattern, re.MULTILINE).search for pattern in patterns), text)
    for patterns, text in (
        (
            (rb"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[[a-z]{3,6}\] \d{1,10}#\d{1,10}: ",),
            "looks like nginx's error log; its access log tells of requests.",
        ),
        (
            (rb"^\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:.]{8,15} \d{4}\] \[[\w:]{4,40}\] ",),
            "looks like Apache's error log; its access log tells of requests.",
        ),
        (
            (rb"\A\s*\{", rb'"sessionID"\s*:\s*"', rb'"messageID"\s*:\s*"|"role"\s*:\s*"|"projectID"\s*:\s*"'),
            "looks like a file of OpenCode's storage; what `opencode export` prints of a session is read.",
        ),
        (
            (rb'^\{"type"\s*:\s*"function_call"', rb'"call_id"\s*:\s*"', rb'"encrypted_content"|"output"\s*:'),
            "looks like a log of Codex before 0.30, which has no times.",
        ),
        (
            (
                rb"^(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\.\d{6} (?:\S{1,20} (?:In |Out) )?IP6? \S{1,99} > "
                rb"\S{1,99}: Flags \["
                rb"|^ {0,9}\d{1,9} +\d{1,9}\.\d{4,9} +\S{2,45} (?:\xe2\x86\x92|->) \S{2,45} +[A-Z][\w./]{1,19} \d",
            ),
            "looks like what tcpdump or tshark prints for people; what `tshark -r FILE -T json` writes of the capture"
            " is read.",
        ),
        (
            (rb"^Invoke-(?:WebRequest|RestMethod) .{0,200}?-Uri ",),
            "looks like what a browser copies for PowerShell; copied as cURL, it is read.",
        ),
        (
            (rb'\A(?:\s*# aider chat started at |TO LLM \d{4}-|\{"event": "launched", "properties": \{)',),
            "looks like what aider writes, which has times in whole seconds, if any, and tokens as aider guesses"
            " them. Record what it asks for with replay trace record.",
        ),
        (
            (rb"\A\s*meta \{\s*\n", rb"^(?:get|post|put|patch|delete|head|options) \{"),
            "looks like a request of Bruno's; a collection that it exports for Postman is read.",
        ),
        (
            (rb"\A\s*(?:await )?fetch\(\"https?://",),
            "looks like what a browser copies as fetch; copied as cURL, it is read.",
        ),
        (
            (rb"^(?:[\d:.]{15} )?> [A-Z]{3,10} \S+ HTTP/", rb"^(?:[\d:.]{15} )?< HTTP/"),
            "looks like what `curl -v` prints, whose times have no day; the commands themselves are read.",
        ),
        (
            (rb'\A\s*\{.{0,2000}?"time_starttransfer"\s*:', rb'"num_connects"\s*:'),
            "looks like what `curl -w '%{json}'` prints, which does not say when a request began; the commands"
            " themselves are read.",
        ),
        (
            (
                rb'\A(?:"?Type"?,"?Name"?,"?Request Count"?|"?Timestamp"?,"?User Count"?'
                rb"|Method,Name,Error,Occurrences|Count,Message,Traceback,Nodes)",
            ),
            "looks like a table of Locust's, which do not hold single requests.",
        ),
        (
            (rb"\AThis is ApacheBench|\A(?:starttime\tseconds\tctime|Percentage served,Time in ms)",),
            "looks like what ab writes, which does not say of single requests when they began, or only to a second."
            f" {_RECORD_LOAD}",
        ),
        (
            (rb"\ARunning [\d.]+\w* test @ http",),
            f"looks like what wrk prints, which sums up {_SUMS}. {_RECORD_LOAD}",
        ),
        (
            (
                rb'"transactions":\s|Date & Time,\s+Trans,|^HTTP/1\.[01] \d{3}\s+[\d.]+ secs:',
                rb'"availability":|Elap Time|bytes ==> ',
            ),
            f"looks like what siege writes, which does not tell when a request began. {_RECORD_LOAD}",
        ),
        (
            (rb'"connections"\s*:', rb'"pipelining"\s*:', rb'"2xx"\s*:'),
            f"looks like a result of autocannon, which sums up {_SUMS}. {_RECORD_LOAD}",
        ),
        (
            (rb'\A\s*\{\s*"aggregate"\s*:\s*\{', rb'"(?:http\.|vusers\.|firstCounterAt|scenariosCreated)'),
            f"looks like a report of Artillery, which sums up {_SUMS}. {_RECORD_LOAD}",
        ),
        (
            (rb'"load_summary"\s*:', rb'"(?:benchmark_time_seconds|successes)"\s*:'),
            f"looks like a report of inference-perf, which sums up {_SUMS}; what it writes with"
            " report.request_lifecycle.per_request is read.",
        ),
        (
            (rb'"num_requests"\s*:', rb'"response_times"\s*:'),
            f"looks like a report of Locust, which sums up {_SUMS}. {_RECORD_LOAD}",
        ),
        (
            (rb"^Target URL: ", rb"^Mean latency: |^Completed requests: "),
            f"looks like what loadtest prints, which sums up {_SUMS}. {_RECORD_LOAD}",
        ),
        (
            (rb"\Astarting benchmark\.\.\.\s", rb"^spawning thread #0"),
            f"looks like what h2load prints, which sums up {_SUMS}; what its --log-file holds is read.",
        ),
        (
            (rb"\A\s*Summary:\s", rb"^[ \t]{1,9}Slowest:"),
            "looks like what hey or oha prints, which sums up and does not tell of single requests; what hey writes"
            " with -o csv, and oha with --output-format csv, is read.",
        ),
        (
            (rb'"successRate"\s*:', rb'"latencyPercentiles"\s*:'),
            f"looks like a report of oha, which sums up {_SUMS}; what --output-format csv writes is read.",
        ),
        (
            (rb'"http_req_duration(?:\{[^"]*)?"\s*:\s*\{', rb'"(?:root_group|p\(95\))"\s*:'),
            "looks like a summary of k6, which does not tell of single requests; what --out json writes is read.",
        ),
        (
            (rb'\A(?:Requests\s+\[total, rate, throughput\]|\{"latencies":\{)',),
            f"looks like a report of vegeta, which sums up {_SUMS}; what vegeta encode writes is read.",
        ),
        (
            (rb'"spec"\s*:\s*\{"numberOfConnections"|\ABombarding http',),
            f"looks like a result of bombardier, which sums up {_SUMS}. {_RECORD_LOAD}",
        ),
        (
            (rb'"DurationHistogram"\s*:', rb'"RequestedQPS"\s*:'),
            f"looks like a result of Fortio, which sums up {_SUMS}. {_RECORD_LOAD}",
        ),
        (
            (rb"^REQUEST\t[^\n]{0,1000}\t\d{13}\t\d{13}\t(?:OK|KO)",),
            f"looks like a log of Gatling, which has names of requests and no paths. {_RECORD_LOAD}",
        ),
        (
            (
                rb"^[A-Z]{3,10} (?:https?://|\{\{)",
                rb"^HTTP(?:/[\d.]+)? (?:\d{3}|\*)\s*$|^\[(?:Asserts|Captures|Query|Form)\]",
            ),
            "looks like a file of Hurl; the commands that `hurl --curl OUT FILE` writes of it are read.",
        ),
        (
            (rb'"__export_format"\s*:\s*\d|^type: [\w.]+\.insomnia\.rest/',),
            f"looks like an export of Insomnia; exported as HAR, or {_COPY}",
        ),
        (
            (rb"\A\s*(?:\[\s*)?\{", rb'"endpoint"\s*:\s*"', rb'"preRequestScript"\s*:'),
            f"looks like a collection of Hoppscotch; {_COPY}",
        ),
        (
            (rb'"client(?:Name)?"\s*:\s*"Thunder Client"',),
            f"looks like a collection of Thunder Client; {_COPY}",
        ),
        (
            (rb"^opencollection:\s",),
            "looks like a collection of Bruno's; one that it exports for Postman is read.",
        ),
        (
            (
                rb"\A(?:#[^\n]*\n|\s){0,9}(?:\$ )?(?:wget (?:-|https?://)|(?:https?|xhs?) (?:--?\w\S{0,99} ){0,9}"
                rb"(?:[A-Z]{3,7} )?(?:https?://|:[\d/]|localhost|[a-z][\w\-]{0,99}(?:\.\w|:\d)))",
            ),
            "looks like commands of wget, HTTPie or xh; written for curl they are read.",
        ),
        (
            (rb"\bxargs [^\n]{0,500}\bcurl ",),
            "looks like commands of curl to which xargs gives their URLs; written with their URLs they are read.",
        ),
    )
)


def unread(first_bytes: bytes) -> str:
    """What the file looks like, and what to do, for people; empty where it is none of these."""
    return next((text for searches, text in _KNOWN if all(search(first_bytes) for search in searches)), "")
