"""Names that are taken to hold a secret, wherever they stand, and names that only look like those."""

import pytest

from replay.trace.redaction.names import is_secret_header, is_secret_member, is_secret_name, is_secret_parameter

SECRET = [
    "Ocp-Apim-Subscription-Key",
    "x-functions-key",
    "subscription-key",
    "x-master-key",
    "storageKey",
    "ENCRYPTION_KEY",
    "appkey",
    "passwd",
    "pwd",
    "pass",
    "db_pass",
    "dbPass",
    "userPwd",
    "passphrase",
    "private_key",
    "privateKey",
    "access-key",
    "X-Access-Key",
    "x-jwt-assertion",
    "csrf",
    "X-CSRF",
    "XSRF-TOKEN",
    "PHPSESSID",
    "JSESSIONID",
    "ASP.NET_SessionId",
    "ASPSESSIONIDQABC",
    "connect.sid",
    "laravel_session",
    "CFTOKEN",
    "SAMLResponse",
    "RelayState",
    "client_assertion",
    "code_verifier",
    "otp",
    "totp",
    "psk",
    "bearer",
    "api_key",
    "apikey",
    "auth",
    "refresh_token",
    "id_token",
    "x-amz-credential",
    "cvv",
    "pass_phrase",
    "pinCode",
    "mfa_code",
    "x-access-code",
    "security_answer",
    "hmac",
    "cookies",
    "Passwort",
    "mot de passe",
    "ssn",
    "ssn_last4",
    "seedPhrase",
    "mnemonic_phrase",
    "seed_phrase",
    "connectionString",
    "ConnectionStrings__Default",
    "ConnectionStrings",
    "connection_string",
    "wresult",
    "X-Recaptcha-Response",
    "cf-turnstile-response",
    "invite_code",
    "contraseña",
    "密码",
]
WORDS = "abandon ability able about above absent absorb abstract absurd abuse access accident"
HARMLESS = [
    "author",
    "authority",
    "keyboard",
    "monkey",
    "turkey",
    "Idempotency-Key",
    "Sec-WebSocket-Key",
    "cache-key",
    "partition_key",
    "primaryKey",
    "foreign_key",
    "passage",
    "compass",
    "bypass_count",
    "path",
    "accept",
    "content-type",
    "x-request-id",
    "session_id",
    "sessionId",
    "mcp-session-id",
    "status_code",
    "keys",
    "cookieConsent",
    "language_code",
    "lessness",
    "connection",
    "captcha",
    "x-agent-session",
    "X-Opencode-Session",
    "X-Conversation-Session",
    "X-Workflow-Session",
    "X-Claude-Session",
    "X-Browser-Session",
    "X-Client-Session",
    "X-User-Session",
    "X-Sticky-Session",
    "X-Litellm-Session",
    "ssn_id",
    "ssn-type",
    "connection_string_id",
    "connectionStringName",
    "connection_strings_count",
    "dsn",
    "dsn_type",
    "mnemonic",
    "mnemonics",
    "invite",
    "pin",
    "pinned",
    "magic",
    "signatures",
]


@pytest.mark.parametrize("name", SECRET)
def test_a_secrets_name_is_one_everywhere(name):
    assert is_secret_name(name)
    assert is_secret_header(name)
    assert is_secret_parameter(name)
    assert is_secret_member(name)


@pytest.mark.parametrize(
    "name",
    ["X-Airtable-Session", "x-appwrite-session", "X-Metabase-Session", "x-dr-session", "vmware-api-session-id"],
)
def test_a_session_that_logs_in_is_a_secret(name):
    assert is_secret_header(name)


@pytest.mark.parametrize("name", HARMLESS)
def test_other_names_are_none(name):
    assert not is_secret_header(name)
    assert not is_secret_member(name)


@pytest.mark.parametrize(
    "name", ["max_tokens", "input_tokens", "tokenizer", "issueKey", "row_key", "key", "sid"]
)
def test_a_member_may_have_a_name_that_elsewhere_is_a_secrets(name):
    assert not is_secret_member(name)


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("code", "SplxlOBeZQQYbYS6WxSbIA", True),
        ("state", "af0ifjsldkj2", True),
        ("code", "404", False),
        ("code", "en-US", False),
        ("state", "open", False),
        ("state", "CA", False),
        ("key", "x", True),
        ("sig", "x", True),
        ("sid", "x", True),
        ("X-Goog-Signature", "x", True),
        ("page", "SplxlOBeZQQYbYS6WxSbIA", False),
        ("magic", "SplxlOBeZQQYbYS6WxSbIA", True),
        ("invite", "SplxlOBeZQQYbYS6WxSbIA", True),
        ("invite", "true", False),
        ("invite", "4711", False),
        ("pin", "4711", True),
        ("pin", "48.20,16.37", False),
        ("pin", "1", False),
        ("pin", "987654321098765432", False),
        ("sentry_dsn", "https://4f3a9c7b@o1.ingest.example/2", True),
        ("DSN", "joe:hunter2@tcp(db:3306)/shop", True),
        ("dsn", "Driver=x;Uid=joe", True),
        ("dsn", "Warehouse", False),
        ("dsn", "2.1.5", False),
        ("mnemonic", WORDS, True),
        ("walletMnemonic", WORDS, True),
        ("mnemonic", "MOV", False),
        ("mnemonic", "my very eager mother just served us noodles", False),
    ],
)
def test_names_that_secrets_share_with_others_are_told_by_the_value(name, value, is_secret):
    assert is_secret_parameter(name, value) is is_secret
