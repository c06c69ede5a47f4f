"""Whether a step was answered with a web page that asked for something else. Pure.

A gateway that wants a sign-in, a challenge to browsers, a page of maintenance and an application that serves its own
page at every path all answer with HTML and status 200, and soon. What was asked for is told by the request's Accept, by
the ending of its path, and by what was recorded; where none of them tells it, a page may be right. Who sends JSON as
text/html, as PHP does unless it is told otherwise, sends no page.
"""

import re

from replay.dialects.documents import is_web_page
from replay.trace.types import Step

# What no web page is named by.
_names_file = re.compile(
    r"[^?]*/[^/?]*\.(avif|bin|bmp|css|csv|docx|eot|flac|gif|gz|ico|ics|jar|jpe?g|js|jsonl?|map|mjs|mov|mp[34]|mpeg|ndjson|ogg"
    r"|otf|parquet|pdf|png|pptx|svg|tar|tgz|tiff?|ttf|txt|wasm|wav|web[mp]|webmanifest|woff2?|xlsx|ya?ml|zip|zst)",
    re.IGNORECASE,
).fullmatch


def page_instead(step: Step, status: int, body: bytes) -> str | None:
    """What was asked for, where the answer is a web page instead; body: as much of it as is known, uncoded."""
    request = step.request
    # A failure that was recorded, or is told by its status, may be told by a page.
    if request is None or not 200 <= status < 300 or not is_web_page(body):
        return None
    accept = next((value for name, value in request.headers.items() if name.lower() == "accept"), "").lower()
    if "html" in accept:
        return None
    recorded = step.recorded
    if "json" in accept or (recorded is not None and recorded.response_json is not None):
        return "JSON"
    file = _names_file(request.path.partition("?")[0])
    if file is not None:
        return f"a .{file[1].lower()} file"
    kind = "" if recorded is None else recorded.response_headers.get("content-type", "").partition(";")[0]
    return kind.strip().lower() or None if "html" not in kind.lower() else None
