"""Whether a step asked for something that no web page is. Pure.

A gateway that wants a sign-in, a challenge to browsers, a page of maintenance and an application that serves its own
page at every path all answer with HTML and status 200, and soon. What was asked for is told by what was recorded, and
else by a request's Accept that takes JSON and not just anything; where neither tells it, a page may be right. The path
tells nothing: pages are named chart.js and cat.jpg. Who sends JSON as text/html, as PHP does unless it is told
otherwise, sends no page.
"""

from replay.trace.redaction.responses import media_type
from replay.trace.types import Step


def asked_instead_of_page(step: Step) -> str | None:
    """What a step asked for, where a web page would be no answer; None where it may be one."""
    request, recorded = step.request, step.recorded
    if request is None:
        return None
    # What a refusal was written in says nothing of an answer.
    if recorded is not None and (recorded.status is None or recorded.status < 300):
        if recorded.response_json is not None:
            return "JSON"
        kind = media_type(recorded.content_type or recorded.response_headers.get("content-type"))
        if kind is not None:
            return None if "html" in kind else kind
    accept = next((value for name, value in request.headers.items() if name.lower() == "accept"), "").lower()
    is_for_json = "json" in accept and not any(other in accept for other in ("html", "*/*", "text/*"))
    return "JSON" if is_for_json else None
