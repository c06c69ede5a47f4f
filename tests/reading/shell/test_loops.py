"""Loops of scripts: what is unrolled does what bash does, and what only a shell could tell stays as it is."""

import subprocess

import pytest

from replay.reading.shell.curl_scripts import CurlCommand, commands_of_curl
from replay.reading.shell.loops import unrolled

LOOPS = [
    "for i in 1 2 3; do curl h/$i; done",
    "for i in 1 2 3 ; do curl h/$i & done",
    "for i in {1..3}\ndo\n  curl h/$i\ndone\ncurl h/after",
    "for i in {3..1}; do\n  curl h/$i\ndone",
    "for i in {08..11}; do curl h/$i; done",
    "for i in {1..9..4}; do curl h/$i; done",
    "for i in {a..c} x{1,2}y; do curl h/$i; done",
    "for i in $(seq 3); do curl h/$i; done",
    "for i in `seq 2 3`; do curl h/$i; done",
    "for i in $(seq 1 2 6); do curl h/$i; done",
    "for i in $(seq 3 1); do curl h/$i; done; curl h/none",
    "N=2\nfor i in $(seq 1 $N); do curl h/$i; done",
    'IDS="a b c"\nfor i in $IDS; do\n  # done\n  curl "h/$i" -d "{\\"id\\": \\"$i\\"}"\ndone',
    "BASE=h/v1\nfor p in users orders; do curl $BASE/$p; curl $BASE/$p/1; done",
    'for q in "a b" c; do curl -G h/q --data-urlencode "q=$q"; done',
    "for u in http://h/a?x=1 http://h/b; do curl -s $u; done",
    "for ((i = 0; i < 3; i++)); do curl h/$i; done",
    "for ((i=3; i>=1; i-=2))\ndo\ncurl h/$i\ndone",
    "M=3\nfor (( n=1; n<=M; ++n )); do curl h/$n; done",
    "for i in 1 2; do\n  for j in a b; do\n    curl h/$i/$j\n  done\ndone",
    "for i in 1 2; do for j in a b; do curl h/$i/$j; done; done; curl h/end",
    "for i in 1 2; do\n  N=3\n  for j in $(seq $N); do curl h/$i/$j; done\ndone",
    "for i in 1 2; do\n  echo $i\ndone\nfor i in 3; do curl h/$i; done",
    "for i in 1 2; do curl h/$i \\\n  -H 'A: b'\ndone",
    "for i in 1 2; do curl h/$i; done | sort\ncurl h/end",
    "for i in 1; do\n  curl h/a -d @- <<E\n{\"x\": $i}\nE\ndone",
]  # fmt: skip
# Bodies that no output can tell apart are left out: what is given on standard input is none of curl's words.
# In one write, so that what runs in the background is not mixed.
CURL = 'curl() { local w l=; for w in "$@"; do l+="$w"$\'\\t\'; done; printf \'%s\\n\' "$l"; }\n'


@pytest.fixture
def commands(tmp_path):
    """Of a script's commands of curl, as they are read; and whether each may be sent more or less often."""

    def of(script):
        path = tmp_path / "requests.sh"
        path.write_text(f"{script}\n")
        found = [one for one in commands_of_curl(path) if isinstance(one, CurlCommand)]
        return [list(one.words) for one in found], [one.is_conditional for one in found]

    return of


@pytest.mark.parametrize("script", LOOPS)
def test_a_loop_asks_as_often_as_bash_does(commands, script):
    ran = subprocess.run(["bash", "-c", CURL + script], capture_output=True, text=True, timeout=60, check=True)
    asked = [line.split("\t")[:-1] for line in ran.stdout.splitlines() if "\t" in line]
    words, conditional = commands(script)

    # What runs in the background, or goes through sort, comes in any order.
    assert sorted(words) == sorted(asked)
    assert not any(conditional)


@pytest.mark.parametrize(
    "script",
    [
        "for i in $(cat ids); do curl h/$i; done",
        "for i in *.json; do curl h/ -d @$i; done",
        'for i in "$@"; do curl h/$i; done',
        "for i in $UNKNOWN; do curl h/$i; done",
        "for i in {1..$N}; do curl h/$i; done",
        "for i in {1..20000}; do curl h/$i; done",
        "for ((;;)); do curl h/a; done",
        "for ((i=0; i<9; i--)); do curl h/$i; done",
        "for ((i=0; j<9; i++)); do curl h/$i; done",
        "for i; do curl h/$i; done",
        "for api_key in a b; do curl h/$api_key; done",
        "while true; do curl h/a; done",
        "for i in $(seq x); do curl h/$i; done",
        "for i in $(seq ); do curl h/$i; done",
        "for i in $(seq 1 2 3 4); do curl h/$i; done",
        "for i in $(seq -w 3); do curl h/$i; done",
        "for i in $(seq 1 0 5); do curl h/$i; done",
    ],
)
def test_what_only_a_shell_could_tell_is_read_once(commands, script):
    words, conditional = commands(script)

    assert (len(words), conditional) == (1, [True])


@pytest.mark.parametrize(
    "script",
    [
        "for i in 1 2; do curl h/$i",
        "for i in 1 2\ncurl h/$i",
        "for i in 1 2; do\n" * 50 + "curl h/a",
        "for x of y: curl h",
    ],
)
def test_a_loop_that_does_not_end_is_none(commands, script):
    assert len(commands(script)[0]) <= 1


def test_what_grows_too_far_stays_as_it_is():
    nested = "".join(f"for i{n} in {{1..90}}; do\n" for n in range(4)) + "curl h/a\n" + "done\n" * 4
    long = f"for i in {{1..9000}}; do curl h/{'a' * 10_000}; done\n"
    for script in (nested, long):
        lines = list(enumerate(script.splitlines(keepends=True), 1))

        assert sum(len(text) for _, text in unrolled(iter(lines), {}, lambda line: "curl" in line)) < 20 << 20


def test_many_loops_without_an_end_are_not_looked_through_again_and_again():
    lines = [(n, "for i in 1 2; do\n") for n in range(50_000)]

    assert list(unrolled(iter(lines), {}, bool)) == lines
