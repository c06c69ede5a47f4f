"""Why TLS failed, in words that say what to set. Pure."""

import ssl

CUT_OFF = "the connection was taken, and ended while TLS began. Does the target speak plain http://?"
"""Of a connection that ended without an alert, which would have said why."""

_PLAIN = "the answer is not TLS. Does the target speak plain http://?"
# What OpenSSL calls it, and what that means to somebody who has a URL and a target file.
_REASONS = {
    "WRONG_VERSION_NUMBER": _PLAIN,
    "HTTP_REQUEST": _PLAIN,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a client certificate. Name client_cert and client_key under [tls].",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it refuses the client certificate. Check client_cert under [tls].",
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": "it does not speak what it is asked for. With http2 = true that is HTTP/2.",
    "UNSUPPORTED_PROTOCOL": "it offers none but old versions of TLS.",
}
_SELF_SIGNED = (
    "Name it, or the authority that signed it, as ca_file under [tls]; verify = false there checks nothing."
)
# By what X.509 verification found: https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_UNTRUSTED = {
    9: "it is not valid yet. Check the clock of this machine, and the certificate; verify = false under [tls] checks "
    "nothing.",
    10: "it has expired. Renew it; verify = false under [tls] checks nothing.",
    18: f"it is self-signed. {_SELF_SIGNED}",
    19: f"its chain ends in a self-signed certificate that is not trusted here. {_SELF_SIGNED}",
    20: f"it is not signed by an authority that is trusted here. {_SELF_SIGNED}",
    21: f"it is not signed by an authority that is trusted here. {_SELF_SIGNED}",
    62: "it is for another name. Set server_name under [tls] to the name that it is for.",
    64: "it is for another address. Set server_name under [tls] to the name that it is for.",
}


def tls_problem(cause: ssl.SSLError) -> str:
    """What was wrong, and what to do about it: whole sentences after the first words."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        known = _UNTRUSTED.get(cause.verify_code)
        return f"TLS failed: the certificate is not valid: {known or cause.verify_message.rstrip('.') + '.'}"
    return f"TLS failed: {_REASONS.get(cause.reason or '') or f'{cause.reason or cause}.'}"


def tls_file_problem(which: str, path: str, cause: Exception) -> str:
    """What was wrong with a file that the target names under [tls]."""
    if isinstance(cause, ssl.SSLError):
        return f"{which} {path} under [tls] holds nothing that can be used as such ({_code_of(cause)})."
    return f"{which} {path} under [tls] cannot be read: {getattr(cause, 'strerror', None) or cause}."


def _code_of(cause: ssl.SSLError) -> str:
    return (cause.reason or str(cause)).replace("_", " ").lower()
