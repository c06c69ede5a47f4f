"""The texts of the files that `replay init` writes: a target file, and a job for a CI system. Pure.

What a user names stands in them where it can be nothing but a value: in TOML as a quoted string, in a job's script as
one quoted word, within a block that YAML leaves alone. So whoever calls takes no control characters, nor `${{`, which
GitHub fills in wherever it stands.
"""

import shlex
from collections.abc import Sequence
from typing import Literal, NamedTuple

Ci = Literal["github", "gitlab", "cloud-build"]

PACKAGE = "agent-replay @ git+https://github.com/YOUR-ORG/agent-replay"
"""What pip installs in a job, until somebody names where they keep this package."""

JOBS: dict[Ci, str] = {
    "github": ".github/workflows/replay-gate.yml",
    "gitlab": ".gitlab/replay-gate.yml",
    "cloud-build": "cloudbuild-replay.yaml",
}
"""Where each job goes, below the root of a repository."""

NEXT: dict[Ci, str] = {
    "github": "commit it; the job runs on every pull request",
    "gitlab": "name it in .gitlab-ci.yml:  include: [{local: .gitlab/replay-gate.yml}]",
    "cloud-build": "gcloud builds submit --config cloudbuild-replay.yaml, or name it in a trigger",
}


class Wish(NamedTuple):
    """What a user told. token_env: the variable with a bearer token. scale: how often a job replays each session."""

    url: str
    plane: str | None
    slos: Sequence[str]
    token_env: str | None
    trace: str | None = None
    target_file: str = "target.toml"
    scale: int = 1
    package: str = PACKAGE


def target_text(wish: Wish) -> str:
    """The target file."""
    lines = [
        "# What replays are sent to; `replay schema target` has every key, docs/safety.md the ways to sign in.",
        f"url = {_toml(wish.url)}",
    ]
    if wish.plane is not None:
        lines.append(f"plane = {_toml(wish.plane)}")
    if wish.slos:
        lines += ["", "# What `replay gate` holds it to.", "slo = ["]
        lines += [f"  {_toml(slo)}," for slo in wish.slos]
        lines.append("]")
    if wish.token_env is not None:
        lines += [
            "",
            "# Secrets come from the environment, never from this file.",
            "[auth]",
            f"bearer_env = {_toml(wish.token_env)}",
        ]
    return "\n".join(lines) + "\n"


def job_text(wish: Wish, ci: Ci) -> str:
    """The job that gates a deploy by this trace."""
    return _WRITERS[ci](wish)


def gate_command(wish: Wish, *more: str) -> str:
    """The command of the job, for a shell at the root of the repository."""
    words = ["replay", "gate", "-t", wish.target_file]
    if wish.scale != 1:
        words += ["--scale", str(wish.scale)]
    # A path may begin with a hyphen.
    return shlex.join([*words, *more, "--", wish.trace or ""])


def _github(wish: Wish) -> str:
    secret = ""
    if wish.token_env is not None:
        secret = f"        env:\n          {wish.token_env}: ${{{{ secrets.{wish.token_env} }}}}\n"
    return f"""\
name: replay gate
on: pull_request
jobs:
  replay-gate:
    runs-on: ubuntu-latest
    permissions:
      contents: read
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: |
          pip install --quiet {shlex.quote(wish.package)}
      - run: |
          {gate_command(wish, "--out", "run")}
{secret}      - if: always()
        uses: actions/upload-artifact@v4
        with:
          name: replay
          path: run
"""


def _gitlab(wish: Wish) -> str:
    told = ""
    if wish.token_env is not None:
        told = f"# {wish.token_env} is a variable of the project: Settings, CI/CD, Variables; masked.\n"
    return f"""\
{told}replay-gate:
  image: python:3.12
  script:
    - |
      pip install --quiet {shlex.quote(wish.package)}
    - |
      {gate_command(wish, "--junit", "junit.xml", "--out", "run")}
  # Leave this out to have an inconclusive gate fail the pipeline.
  allow_failure:
    exit_codes: [3]
  artifacts:
    when: always
    paths: [run]
    reports:
      junit: junit.xml
"""


def _cloud_build(wish: Wish) -> str:
    # Cloud Build fills in $NAME; $$ is a dollar sign.
    install = f"pip install --quiet {shlex.quote(wish.package)}".replace("$", "$$")
    command = gate_command(wish, "--out", "run").replace("$", "$$")
    secret = "" if wish.token_env is None else f"    secretEnv: [{wish.token_env}]\n"
    text = f"""\
steps:
  - id: replay-gate
    name: python:3.12
    entrypoint: bash
    args:
      - -ec
      - |
        {install}
        {command}
{secret}    # Leave this out to have an inconclusive gate fail the build.
    allowExitCodes: [3]
"""
    if wish.token_env is not None:
        text += f"""\
availableSecrets:
  secretManager:
    - versionName: projects/$PROJECT_ID/secrets/{wish.token_env}/versions/latest
      env: {wish.token_env}
"""
    return text


_WRITERS = {"github": _github, "gitlab": _gitlab, "cloud-build": _cloud_build}


def _toml(text: str) -> str:
    """A basic string (TOML 1.0, String); it has no control characters."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
