"""That both ends of a connection know the same secret, shown by each without saying it.

Each draws a nonce, and answers with a keyed digest (HMAC-SHA-256, RFC 2104) of both nonces and of who it is. Whoever
listens sees nothing that would do another time. What is said afterwards is neither hidden nor signed: the network
between conductor and workers has to be one that its users trust, or a tunnel.
"""

import hashlib
import hmac
import os
import secrets
import socket
from collections.abc import Callable

import msgspec

from replay.errors import InputError
from replay.scale.lines import LineError, decoded, framed, read_frame

TOKEN_VARIABLE = "REPLAY_CLUSTER_TOKEN"
_LEAST_LENGTH = 16
_MOST_BYTES = 4096
MOST_WAIT_S = 5.0


class Challenge(msgspec.Struct, frozen=True):
    """Conductor to worker, first."""

    nonce: bytes


class Answer(msgspec.Struct, frozen=True):
    """Worker to conductor."""

    index: int
    nonce: bytes
    digest: bytes


class Accepted(msgspec.Struct, frozen=True):
    """Conductor to worker: it knows the secret, too."""

    digest: bytes


class NotTrusted(Exception):
    """The other end does not know the secret, or says nothing that makes sense."""


def shared_token() -> bytes:
    """The secret that the environment holds. Raises InputError where there is none, or it is easily guessed."""
    token = os.environ.get(TOKEN_VARIABLE, "")
    if len(token) < _LEAST_LENGTH:
        raise InputError(
            f"The environment variable {TOKEN_VARIABLE} must hold a secret of {_LEAST_LENGTH} characters or more, "
            "which conductor and workers share. Set the same one for all of them."
        )
    return token.encode()


def welcome(sock: socket.socket, token: bytes, takes: Callable[[int], bool]) -> None:
    """The conductor's side. takes: whether the worker of this number, which knows the secret, is taken. Raises
    NotTrusted where it is not.
    """
    nonce = secrets.token_bytes(32)
    try:
        sock.sendall(framed(Challenge(nonce)))
        answer = decoded(_answer, read_frame(sock, _MOST_BYTES, MOST_WAIT_S))
        expected = _digest(token, b"worker", nonce, answer.nonce, str(answer.index).encode())
        if not hmac.compare_digest(answer.digest, expected):
            raise NotTrusted("it does not know the secret")
        if not takes(answer.index):
            raise NotTrusted("nobody waits for a worker of its number")
        sock.sendall(framed(Accepted(_digest(token, b"conductor", answer.nonce, nonce))))
    except (OSError, LineError) as cause:
        raise NotTrusted(str(cause)) from cause


def introduce(sock: socket.socket, token: bytes, index: int) -> None:
    """The worker's side. Raises NotTrusted."""
    nonce = secrets.token_bytes(32)
    try:
        challenge = decoded(_challenge, read_frame(sock, _MOST_BYTES, MOST_WAIT_S))
        digest = _digest(token, b"worker", challenge.nonce, nonce, str(index).encode())
        sock.sendall(framed(Answer(index, nonce, digest)))
        accepted = decoded(_accepted, read_frame(sock, _MOST_BYTES, MOST_WAIT_S))
    except (OSError, LineError) as cause:
        raise NotTrusted(str(cause)) from cause
    if not hmac.compare_digest(accepted.digest, _digest(token, b"conductor", nonce, challenge.nonce)):
        raise NotTrusted("it does not know the secret")


def _digest(token: bytes, *parts: bytes) -> bytes:
    # Each with its length, so that no two ways of parting them are the same text.
    text = b"".join(len(part).to_bytes(4) + part for part in parts)
    return hmac.new(token, text, hashlib.sha256).digest()


_answer = msgspec.msgpack.Decoder(Answer)
_challenge = msgspec.msgpack.Decoder(Challenge)
_accepted = msgspec.msgpack.Decoder(Accepted)
