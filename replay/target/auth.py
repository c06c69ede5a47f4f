"""How requests are authorised. A target file names where secrets come from; it holds none."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from replay.target.checking import LONGEST_S, check_header, check_positive
from replay.target.urls import check_other_url
from replay.trace.origins import is_loopback, origin_of
from replay.trace.redaction.shown_urls import shown_url

_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
Variable = Annotated[str, Meta(pattern=_NAME)]


class OAuth(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The client credentials grant of OAuth 2.0 (RFC 6749, section 4.4): a token for an id and a secret."""

    token_url: Annotated[str, Meta(description="Where tokens are asked for.")]
    client_secret_env: Annotated[
        Variable, Meta(description="The environment variable that holds the client's secret.")
    ]
    client_id: Annotated[str | None, Meta(description="The client's id.")] = None
    client_id_env: Annotated[
        Variable | None, Meta(description="The environment variable that holds it, instead.")
    ] = None
    scope: Annotated[str | None, Meta(description="What is asked for, with spaces between.")] = None
    audience: Annotated[
        str | None, Meta(description="Whom the token is for, where the server wants to know.")
    ] = None
    client_in: Annotated[
        Literal["header", "body"],
        Meta(description="Where the server takes id and secret: as Basic authorisation, or in the form."),
    ] = "header"

    def __post_init__(self) -> None:
        check_other_url("token_url", self.token_url, ("http", "https"))
        parts = urlsplit(self.token_url)
        if "@" in parts.netloc:
            raise ValueError("token_url holds a user or password; name client_id and client_secret_env")
        if parts.scheme == "http" and not is_loopback(origin_of(self.token_url) or ""):
            raise ValueError("token_url must begin with https://, for the client's secret goes there")
        if (self.client_id is None) == (self.client_id_env is None):
            raise ValueError("oauth needs one of client_id and client_id_env")

    @property
    def shown_url(self) -> str:
        """token_url as it may be told to people."""
        return shown_url(self.token_url)

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that have to be set."""
        return tuple(filter(None, (self.client_id_env, self.client_secret_env)))


class Aws(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Every request is signed for AWS (Signature Version 4): Lambda URLs, Bedrock, API Gateway, and others."""

    region: Annotated[str, Meta(description="The region that the target is in, such as eu-west-1.")]
    service: Annotated[
        str, Meta(description="The name that the service has in signatures: lambda, bedrock, execute-api.")
    ]
    command: Annotated[
        str | None,
        Meta(
            description=(
                "A command that prints keys as a credential process does, such as aws configure "
                "export-credentials; absent: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, where it is set, "
                "AWS_SESSION_TOKEN."
            )
        ),
    ] = None

    def __post_init__(self) -> None:
        for name in ("region", "service"):
            value = getattr(self, name)
            if not value.isascii() or not value.replace("-", "").replace(".", "").isalnum():
                raise ValueError(f"aws.{name} must be a name such as eu-west-1 or lambda")
        if self.command is not None and not self.command.strip():
            raise ValueError("aws.command must not be empty")

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that have to be set."""
        return () if self.command is not None else (AWS_KEY_ID, AWS_SECRET)


AWS_KEY_ID, AWS_SECRET, AWS_SESSION = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How requests are authorised. Secrets come from the environment, a command or a server, never from the file."""

    bearer_env: Annotated[
        str | None, Meta(description="The environment variable that holds a bearer token.")
    ] = None
    basic_env: Annotated[
        str | None,
        Meta(description="The environment variable that holds user:password, for Basic authorisation."),
    ] = None
    header_env: Annotated[
        dict[str, str],
        Meta(
            description=(
                "Headers whose values are secret: by their names, the environment variables that hold them."
            )
        ),
    ] = {}
    command: Annotated[
        str | None,
        Meta(
            description=(
                "A command that prints a token. It is run again early when the target answers 401, "
                "at most every 5 s."
            )
        ),
    ] = None
    command_header: Annotated[
        str | None,
        Meta(
            description=(
                "The header that the command's token is sent in; absent: Authorization, as a bearer token."
            )
        ),
    ] = None
    command_ttl_s: Annotated[float, Meta(description="How long that token is used, in s.")] = 300.0
    oauth: Annotated[
        OAuth | None, Meta(description="A bearer token of an OAuth 2.0 server, renewed before it expires.")
    ] = None
    google_audience: Annotated[
        str | None,
        Meta(
            description=(
                "The audience of a Google identity token, such as the URL of a Cloud Run service; the metadata "
                "server of the machine gives it. Elsewhere: command = 'gcloud auth print-identity-token'."
            )
        ),
    ] = None
    aws: Annotated[Aws | None, Meta(description="A signature for AWS on every request.")] = None

    def __post_init__(self) -> None:
        for name in (*self.header_env, *filter(None, (self.command_header,))):
            check_header(name, "")
        if self.command is not None and not self.command.strip():
            raise ValueError("command must not be empty")
        check_positive(self, "command_ttl_s", most=LONGEST_S)
        if self.google_audience is not None and not (
            self.google_audience.isascii() and self.google_audience.isprintable() and self.google_audience
        ):
            raise ValueError("google_audience must be a name or URL in ASCII characters")
        ways = self._ways()
        if len(ways) > 1:
            raise ValueError(
                f"{ways[0]} and {ways[1]} would both give the Authorization header; choose one of them"
            )

    def _ways(self) -> list[str]:
        """What of this gives the Authorization header."""
        given = {
            "bearer_env": self.bearer_env,
            "basic_env": self.basic_env,
            "command": self.command if (self.command_header or "").lower() in ("", "authorization") else None,
            "oauth": self.oauth,
            "google_audience": self.google_audience,
            "aws": self.aws,
        }
        named = [f"header_env {name}" for name in self.header_env if name.lower() == "authorization"]
        return [name for name, value in given.items() if value is not None] + named

    def gives(self, header: str) -> bool:
        """Whether requests have this header, in small letters, from here."""
        if header == "authorization" and self._ways():
            return True
        return self.is_given and header in (name.lower() for name in self.header_names)

    @property
    def is_given(self) -> bool:
        """Whether anything here goes with requests."""
        return self != Auth(command_ttl_s=self.command_ttl_s, command_header=self.command_header)

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that have to be set."""
        own = filter(None, (self.bearer_env, self.basic_env, *self.header_env.values()))
        oauth = () if self.oauth is None else self.oauth.variables
        aws = () if self.aws is None else self.aws.variables
        return (*own, *oauth, *aws)

    @property
    def header_names(self) -> tuple[str, ...]:
        """The headers that the file names itself, as it writes them."""
        return (*self.header_env, *filter(None, (self.command_header,)))
