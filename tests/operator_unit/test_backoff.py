"""Waits between tries grow, are jittered, and are never shorter than the server asks for."""

from coroner_operator.kube.backoff import BackOff
from coroner_operator.kube.errors import (
    Conflict,
    Forbidden,
    Gone,
    InvalidRequest,
    NamespaceTerminating,
    NotFound,
    Status,
    TooManyRequests,
    Transient,
    error_from_status,
    parse_status,
)


def test_ceilings_double_up_to_the_cap_and_begin_again_after_a_success() -> None:
    longest = BackOff(base=1, cap=5, draw=lambda low, high: high)
    assert [longest.next() for _ in range(5)] == [1, 2, 4, 5, 5]
    longest.reset()
    assert longest.next() == 1


def test_the_draw_is_from_zero_on() -> None:
    assert BackOff(draw=lambda low, high: low).next() == 0


def test_retry_after_is_a_lower_bound_with_the_jitter_on_top() -> None:
    assert BackOff(base=1, draw=lambda low, high: high).next(retry_after=7) == 8
    assert all(BackOff().next(retry_after=3) >= 3 for _ in range(100))


def test_a_thousand_failures_do_not_overflow() -> None:
    back_off = BackOff(cap=30)
    assert all(back_off.next() <= 30 for _ in range(1000))


def test_every_answer_has_its_name() -> None:
    kinds = {
        400: InvalidRequest,
        404: NotFound,
        409: Conflict,
        410: Gone,
        403: Forbidden,
        422: InvalidRequest,
        500: Transient,
    }
    for code, kind in {**kinds, 401: Transient, 429: TooManyRequests, 503: Transient}.items():
        assert type(error_from_status("GET /x", code, Status())) is kind, code


def test_the_words_of_the_server_are_in_the_error() -> None:
    status = parse_status(b'{"kind":"Status","message":"namespaces \\"x\\" not found","details":{"kind":"namespaces"}}')
    error = error_from_status("PATCH /x", 404, status)
    assert str(error) == 'PATCH /x: 404 namespaces "x" not found'
    assert error.missing_kind == "namespaces"


def test_an_answer_that_is_no_status_is_understood_by_its_code() -> None:
    assert str(error_from_status("GET /x", 502, parse_status(b"<html>Bad Gateway"))) == "GET /x: 502"


def test_retry_after_is_read_from_the_header_or_the_status() -> None:
    assert error_from_status("GET /x", 429, Status(), {"Retry-After": "7"}).retry_after == 7
    assert error_from_status("GET /x", 429, parse_status(b'{"details":{"retryAfterSeconds":3}}')).retry_after == 3
    assert error_from_status("GET /x", 429, Status(), {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}).retry_after == 1


def test_a_namespace_that_is_being_deleted_is_distinguished_from_other_refusals() -> None:
    status = parse_status(b'{"reason":"Forbidden","details":{"causes":[{"reason":"NamespaceTerminating"}]}}')
    assert type(error_from_status("PATCH /x", 403, status)) is NamespaceTerminating
