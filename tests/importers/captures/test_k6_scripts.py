"""Requests that stand in scripts of k6."""

import pytest

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.trace.errors import TraceError

SCRIPT = """
import { sleep, group } from 'k6'
import http from 'k6/http'

const BASE = "https://test.example";
const token = 'hunter2';
// http.get('https://test.example/commented-out')

export default function main() {
  let response
  group('page_1 - https://test.example/', function () {
    response = http.get('https://test.example/', {
      headers: {
        'upgrade-insecure-requests': '1', // as a browser sends it
        authorization: 'Bearer hunter2hunter2',
      },
    })
    sleep(0.5)
    response = http.post(
      `${BASE}/login`,
      { login: 'ada', password: 'hunter2', csrf: null },
      { headers: { accept: '*/*' } }
    )
  });
  http.put(BASE + '/items/7?a=b', JSON.stringify({ name: 'x{y}', n: [1, 2] }), { headers: { 'content-type': 'application/json' } });
  http.del(`${BASE}/items/7`, null);
  http.request('PATCH', BASE + "/items/8", '{"a":1}');
  if (response.status === 200) {
    http.get(`${BASE}/items?token=${token}`);
  }
  http.batch([['GET', `${BASE}/one`], { method: 'POST', url: `${BASE}/two`, body: 'x' }, `${BASE}/three`]);
  http.get(urls[0]);
  http.get(`https://${__ENV.HOST}/env`);
}
"""


@pytest.fixture
def imported(tmp_path):
    def read(text, name="script.js"):
        assert [each for each, importer in IMPORTERS.items() if importer.sniff(text.encode())] == ["k6-script"]
        path = tmp_path / name
        path.write_text(text)
        result = IMPORTERS["k6-script"].read([path], ImportOptions(arrivals="every:1s"))
        return [step.request for session in result.sessions() for step in session.steps], result

    return read


def test_calls_of_http_are_requests_in_their_order(imported):
    requests, result = imported(SCRIPT)

    assert [(each.method, each.path) for each in requests] == [
        ("GET", "/"),
        ("POST", "/login"),
        ("PUT", "/items/7?a=b"),
        ("DELETE", "/items/7"),
        ("PATCH", "/items/8"),
        ("GET", "/items?token=redacted"),
        ("GET", "/one"),
        ("POST", "/two"),
        ("GET", "/three"),
        ("GET", "/env"),
    ]
    assert requests[0].headers == {"upgrade-insecure-requests": "1"}
    assert requests[1].body == "login=ada&password=redacted&csrf="
    assert requests[1].headers == {"accept": "*/*", "content-type": "application/x-www-form-urlencoded"}
    assert bytes(requests[2].json) == b'{"name": "x{y}", "n": [1, 2]}'
    assert "hunter2" not in repr((requests, result))


def test_what_is_not_written_down_or_may_not_be_sent_is_counted(imported):
    _, result = imported(SCRIPT)
    notes = "\n".join(result.notes)

    assert "Dropped: 1 call(s) of http whose URL is not written down, as in " in notes
    assert "script.js, line 32." in notes
    assert "Inferred: 1 request(s) with variables that nothing in the file sets" in notes
    assert "Inferred: 1 request(s) of commands in loops or behind conditions, each sent once." in notes


@pytest.mark.parametrize(
    "text",
    [
        "import http from 'k6/http'\n",
        "import http from 'k6/http'\nhttp.get(",
        "import http from 'k6/http'\nhttp.get(url)\nhttp.batch(all)\nhttp.get()",
        "import http from 'k6/http'\nhttp.get('/relative')",
    ],
)
def test_a_script_without_requests_is_refused(imported, text):
    with pytest.raises(TraceError, match=r"no calls of http with a URL that is written down\."):
        imported(text)
