"""What a value tells of itself."""

import base64
import random
import string
import uuid

import pytest

from replay.trace.redaction.references import is_random

BASE_62 = string.ascii_letters + string.digits


@pytest.mark.parametrize(
    ("digits", "length", "least_ratio"),
    [
        (BASE_62, 16, 0.96),
        (BASE_62, 20, 0.98),
        ("0123456789abcdef", 16, 0.95),
        ("0123456789abcdef", 32, 0.99),
        (string.ascii_lowercase + "234567", 16, 0.68),
        (string.ascii_lowercase + "234567", 24, 0.9),
    ],
)
def test_most_of_what_is_drawn_at_random_looks_so(digits, length, least_ratio):
    drawn = random.Random(1)
    values = ["".join(drawn.choices(digits, k=length)) for _ in range(4_000)]

    assert sum(map(is_random, values)) / len(values) > least_ratio


@pytest.mark.parametrize(("size_bytes", "least_ratio"), [(15, 0.94), (16, 0.95), (24, 0.98), (32, 0.99)])
def test_most_tokens_in_base64_for_urls_look_so(size_bytes, least_ratio):
    drawn = random.Random(3)
    values = [base64.urlsafe_b64encode(drawn.randbytes(size_bytes)).decode().rstrip("=") for _ in range(4_000)]

    assert sum(map(is_random, values)) / len(values) > least_ratio


def test_a_uuid_is_random():
    assert is_random(str(uuid.UUID(int=random.Random(2).getrandbits(128))))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "12345678901234567890",
        "ResetPasswordPage2024",
        "my-order-2024-confirmation",
        "spring-sale-2025",
        "JohnDoe123",
        "My-First-Post-On-2024",
        "iPhone-12-Pro-Max-256GB",
        "SpringSale-ForYou2024",
        "2024-11-30T10-20-30Z",
        "AB12-CD34-EF56-GH78",
        "pod-7d9f8b6c5d-x2k4j",
    ],
)
def test_names_and_numbers_are_not(value):
    assert not is_random(value)
