"""Tokens of links that somebody was sent, wherever a link stands."""

import pytest

from replay.trace.redaction.requests import Redactor, clean_path

TOKEN = "Zk3v9QxLr8Tn2WbYp7Hd4Mcf"


@pytest.mark.parametrize(
    "before",
    [
        "/reset-password/",
        "/api/v1/password/reset/",
        "/accounts/reset/MQ/",
        "/verify/",
        "/users/12/verify-email/",
        "/confirm/",
        "/email/confirmation/",
        "/activate/",
        "/magic/",
        "/auth/magic-link/",
        "/invite/",
        "/invitation/",
        "/accept-invite/",
        "/unsubscribe/",
        "/lists/7/unsubscribe/31/",
        "/opt-out/",
        "/recover/",
        "/Login-Link/",
        "/api/webhooks/123456789012345678/",
        "/api/v10/webhooks/123456789012345678/",
    ],
)
@pytest.mark.parametrize(
    "token", [TOKEN, "4f3a9c7b2a1d0e6f", "c4x2t9-5b3f0e8f9c7b2a1d", "7c9e6679-7425-40de-944b-e07fc1f90ae7"]
)
def test_a_token_behind_the_word_of_a_link_goes(before, token):
    assert clean_path(f"{before}{token}?next=1") == f"{before}redacted?next=1"
    text = Redactor().of_request(()).text(f'Go to <a href="https://a.example{before}{token}">here</a>.')
    assert text == f'Go to <a href="https://a.example{before}redacted">here</a>.'


@pytest.mark.parametrize(
    "path",
    [
        "/invite/4711",
        "/invites/7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "/verify/email",
        "/confirm/order/2024-spring-sale",
        "/reset/12345678901234567890",
        f"/orders/{TOKEN}",
        f"/options/{TOKEN}",
        "/api/webhooks/123456789012345678/deliveries",
        f"/assets/reset-password.{TOKEN}.js",
    ],
)
def test_numbers_and_names_there_stay_and_so_do_ids_elsewhere(path):
    assert clean_path(path) == path
