"""Tokens of links that somebody was sent, wherever a link stands."""

import pytest

from replay.trace.redaction.requests import Redactor, clean_path

TOKEN = "Zk3v9QxLr8Tn2WbYp7Hd4Mcf"
UUID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


@pytest.mark.parametrize(
    "before",
    [
        "/reset-password/",
        "/reset-password%2F",
        "/api/v1/password/reset/",
        "/accounts/reset/MQ/",
        "/set-pwd/",
        "/change_pwd/",
        "/forgot-pwd/",
        "/new-pwd/",
        "/users/12/verify-email/",
        "/users/12/confirm/",
        "/auth/v1/verify/",
        "/validate-email/",
        "/account/activate/",
        "/email/confirmation/",
        "/auth/magic-link/",
        "/passwordless/",
        "/invite/",
        "/invitation/",
        "/accept-invite/",
        "/unsubscribe/",
        "/list-unsubscribe/",
        "/lists/7/unsubscribe/31/",
        "/opt-out/",
        "/opt_out/",
        "/optout/",
        "/Login-Link/",
        "/signin-link/",
        "/sign-in-link/",
        "/one-time-link/",
        "/one_time_secret/",
        "/onetimelink/",
    ],
)
@pytest.mark.parametrize(
    "token", [TOKEN, "4f3a9c7b2a1d0e6f", "c4x2t9-5b3f0e8f9c7b2a1d", "Xk29fLqP-0aZ7bVn3", UUID]
)
def test_a_token_behind_the_word_of_a_link_goes(before, token):
    assert clean_path(f"{before}{token}?next=1") == f"{before}redacted?next=1"
    text = Redactor().of_request(()).text(f'Go to <a href="https://a.example{before}{token}">here</a>.')
    assert text == f'Go to <a href="https://a.example{before}redacted">here</a>.'


@pytest.mark.parametrize(
    "before",
    [
        "/verify/",
        "/confirm/",
        "/activate/",
        "/api/v1/validate/",
        "/en/reset/",
        "/recover/",
        "/magic/",
        "/invites/",
        "/api/invitations/",
    ],
)
@pytest.mark.parametrize("token", [TOKEN, "Xk29fLqP-0aZ7bVn3"])
def test_behind_a_word_that_other_things_share_a_token_goes_at_the_root_of_a_path(before, token):
    assert clean_path(f"{before}{token}?next=1") == f"{before}redacted?next=1"
    assert clean_path(f"/machines/7{before}{token}") == f"/machines/7{before}{token}"
    text = Redactor().of_request(()).text(f'Go to <a href="https://a.example{before}{token}">here</a>.')
    assert text == f'Go to <a href="https://a.example{before}redacted">here</a>.'


@pytest.mark.parametrize(
    "address",
    [
        f"https://discord.com/api/webhooks/123456789012345678/{TOKEN}",
        "https://discordapp.com/api/v10/webhooks/123456789012345678/4f3a9c7b2a1d0e6f",
        f"/api/v10/webhooks/123456789012345678/{TOKEN}",
        f"/webhooks/123456789012345678/{'ab' * 34}",
    ],
)
def test_the_token_of_discords_webhook_goes(address):
    text = Redactor().of_request(()).text(f"curl {address}")
    assert "redacted" in text
    assert address.rpartition("/")[2] not in text


@pytest.mark.parametrize(
    "path",
    [
        "/invite/4711",
        f"/invites/{UUID}",
        "/verify/email",
        "/confirm/order/2024-spring-sale",
        "/reset/12345678901234567890",
        f"/orders/{TOKEN}",
        f"/options/{TOKEN}",
        "/api/webhooks/123456789012345678/deliveries",
        "/webhooks/123456789012345678/executions42",
        "/webhooks/123456789012345678/attempts2024",
        f"/assets/reset-password.{TOKEN}.js",
        "/static/css/reset/reset.4f5e6d7c8b9a.css",
        "/static/reset/9f86d081884c7d65.js",
        "/assets/password-reset/9f86d081884c7d65.js",
        f"/orders/confirmation/{UUID}",
        "/orders/confirmation/ORD20241130A1B2",
        f"/api/v1/reset/{UUID}",
        f"/api/v1/validate/{'9f86d081884c7d659a2feaa0c55ad015' * 2}",
        "/api/vms/activate/i-0abcd1234ef567890",
        "/device/reset/esp32c3f4a5b6d7",
        "/verify/commit/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        "/verification/iPhone12ProMax256GB",
        "/activate/iPhone12ProMax256GB",
        "/magic/7d8f9a6b5c4e3d2a",
    ],
)
def test_numbers_names_and_files_there_stay_and_so_do_ids_elsewhere(path):
    assert clean_path(path) == path
