"""The closed set of reasons, and which of them a later try may change."""

from __future__ import annotations

import pytest

from pipeline.reasons import REASONS, is_reason, is_transient

LATER = (
    *("timeout", "refused", "unreachable", "dns_unavailable", "connection_lost"),
    "forbidden_address",
)


@pytest.mark.parametrize(
    "reason", [*LATER, "host_given_up", "http_408", "http_425", "http_429", "http_500", "http_599"]
)
def test_what_another_time_may_change(reason: str) -> None:
    assert is_transient(reason)
    assert is_reason(reason)


@pytest.mark.parametrize(
    "reason",
    ["success", "dns", "tls", "http_404", "http_410", "http_400", "http_4290", "not_an_image", ""],
)
def test_what_stays_as_it_is(reason: str) -> None:
    assert not is_transient(reason)


def test_files_that_users_have_name_these_reasons() -> None:
    assert REASONS.keys() == {
        *("bad_url", "dns", "dns_unavailable", "forbidden_address", "refused", "unreachable"),
        *("timeout", "tls", "connection_lost", "bad_answer", "too_many_redirects", "opted_out"),
        *("http_<status>", "host_given_up", "empty_file", "too_many_bytes", "not_an_image"),
        *("truncated", "broken_image", "too_many_pixels", "too_small", "too_elongated"),
        *("too_large", "no_image", "outside_root"),
    }


def test_every_reason_is_one_and_says_what_it_means() -> None:
    assert all(is_reason(reason) and meaning for reason, meaning in REASONS.items())
    assert is_reason("http_100")
    assert is_reason("http_999")


@pytest.mark.parametrize("text", ["http_099", "http_5000", "http_", "xhttp_404", "Timeout", ""])
def test_other_words_are_none(text: str) -> None:
    assert not is_reason(text)


def test_all_that_is_transient_by_name_is_a_reason() -> None:
    named = {reason for reason in REASONS if is_transient(reason)}
    assert named == {*LATER, "host_given_up"}
