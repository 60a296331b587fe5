"""Tokens are fetched early, once at a time, and a secret goes only where the operator allows."""

from __future__ import annotations

import threading
from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from shared.dataverse.auth import ClientSecretTokens
from shared.errors import AuthenticationError, NotAllowedError, ThrottledError, UnavailableError
from tests.unit.dataverse.service import Say

SECRET = "s3cret/+&"


def tokens_from(service, time, tenant="contoso.example", **more):
    settings = {"clock": time, "sleep": time.sleep, "allowed_authorities": [service.url], **more}
    return ClientSecretTokens(tenant, "app", SECRET, service.url, service.url, **settings)


def granting(seconds=3600):
    count = iter(range(1000))
    return lambda seen: Say(200, {"access_token": f"token{next(count)}", "expires_in": seconds})


def test_request_and_cache(serve, time):
    """One request with the environment's scope; the token is kept until five minutes before its end."""
    service = serve(granting())
    tokens = tokens_from(service, time)
    assert [tokens.token(), tokens.token()] == ["token0", "token0"]
    assert service.seen[0].path == "/contoso.example/oauth2/v2.0/token"
    form = parse_qs(service.seen[0].body.decode())
    assert form["scope"] == [f"{service.url}/.default"]
    assert form["client_secret"] == [SECRET]
    time.now += timedelta(minutes=55)
    assert tokens.token() == "token1"


def test_renew_fetches_at_once(serve, time):
    """After a 401 the cached token is of no use."""
    tokens = tokens_from(serve(granting()), time)
    assert (tokens.token(), tokens.renew(), tokens.token()) == ("token0", "token1", "token1")


def test_short_lives_are_used(serve, time):
    """A token that lives two minutes is used for one, not fetched anew for every request."""
    service = serve(granting(seconds=120))
    tokens = tokens_from(service, time)
    tokens.token()
    tokens.token()
    assert len(service.seen) == 1


def test_threads_share_one_request(serve, time):
    """Many threads that need a token at once cause one request."""
    service = serve(granting())
    tokens = tokens_from(service, time)
    found = []
    threads = [threading.Thread(target=lambda: found.append(tokens.token())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["token0"] * 8
    assert len(service.seen) == 1


@pytest.mark.parametrize(
    "authority",
    ["https://evil.example/", "http://login.microsoftonline.com/", "https://login.microsoftonline.com.evil.example/"],
)
def test_secrets_go_to_known_authorities_only(time, authority):
    """Another authority is refused before anything is sent."""
    with pytest.raises(NotAllowedError, match="not sent"):
        ClientSecretTokens("t", "app", SECRET, "https://org.crm4.dynamics.com", authority, clock=time)


@pytest.mark.parametrize("authority", ["https://login.microsoftonline.us/", "https://login.partner.microsoftonline.cn"])
def test_sovereign_authorities_are_known(time, authority):
    """National clouds need no word of the operator."""
    tokens = ClientSecretTokens("t", "app", SECRET, "https://org.crm.dynamics.cn", authority, clock=time)
    assert SECRET not in repr(tokens)


def test_tenant_is_learned(serve, time):
    """Without a tenant the service's own 401 names authority and tenant."""

    def script(seen):
        if seen.method == "GET":
            challenge = f"Bearer authorization_uri={service.url}/tenant-1/oauth2/authorize, resource_id=x"
            return Say(401, b"", {"WWW-Authenticate": challenge})
        return Say(200, {"access_token": "learned", "expires_in": 3600})

    service = serve(script)
    assert tokens_from(service, time, tenant=None).token() == "learned"
    assert service.seen[-1].path == "/tenant-1/oauth2/v2.0/token"
    assert "authorization" not in service.seen[0].headers


def test_a_learned_authority_is_checked_too(serve, time):
    """A service cannot send the secret elsewhere."""
    challenge = "Bearer authorization_uri=https://evil.example/t/oauth2/authorize"
    service = serve(lambda seen: Say(401, b"", {"WWW-Authenticate": challenge}))
    with pytest.raises(NotAllowedError):
        tokens_from(service, time, tenant=None).token()
    assert [seen.method for seen in service.seen] == ["GET"]


@pytest.mark.parametrize("tenant", ["../x", "a/b", "common", "a b", "a?b"])
def test_tenants_are_checked(serve, time, tenant):
    """A tenant stands in an address, so it is a GUID or domain."""
    service = serve(granting())
    with pytest.raises(AuthenticationError, match="tenant"):
        tokens_from(service, time, tenant=tenant)


def test_wrong_credentials_in_plain_words(serve, time):
    """The AADSTS code and what to check; never the secret."""
    text = f"AADSTS7000215: Invalid client secret provided. {SECRET} Trace ID: x"
    service = serve(lambda seen: Say(401, {"error": "invalid_client", "error_description": text}))
    with pytest.raises(AuthenticationError, match=r"AADSTS7000215.*secret's value") as caught:
        tokens_from(service, time).token()
    assert SECRET not in str(caught.value)


def test_outages_are_tried_again(serve, time):
    """A few attempts with pauses, then an error that can be retried later."""
    service = serve(lambda seen: Say(503))
    with pytest.raises(UnavailableError):
        tokens_from(service, time).token()
    assert len(service.seen) == 4
    assert time.slept == [2.0, 4.0, 8.0]


@pytest.mark.parametrize("answer", [Say(200, {}), Say(200, b"<html>"), Say(200, {"access_token": "a\r\nb"})])
def test_answers_without_a_token(serve, time, answer):
    """Something else than a token is refused, and nothing of it reaches a header."""
    service = serve(lambda seen: answer)
    with pytest.raises(AuthenticationError, match="without a token"):
        tokens_from(service, time).token()


def test_named_pauses_are_kept(serve, time):
    """What the authority names in Retry-After is waited."""
    left = [Say(429, b"", {"Retry-After": "17"})]
    grant = granting()
    service = serve(lambda seen: left.pop() if left else grant(seen))
    assert tokens_from(service, time).token() == "token0"
    assert time.slept == [17.0]


@pytest.mark.parametrize("status", [429, 503])
def test_short_named_pauses_are_kept_many_times(serve, time, caplog, status):
    """A pause that is named is kept as for data requests, more often than an outage is tried, and is told."""
    left = [Say(status, b"", {"Retry-After": "1"}) for _ in range(6)]
    grant = granting()
    service = serve(lambda seen: left.pop() if left else grant(seen))
    assert tokens_from(service, time).token() == "token0"
    assert time.slept == [1.0] * 6
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"service.throttled service={service.url} status={status} pause_s=1.0"] * 6


def test_a_service_that_asks_to_wait_for_too_long(serve, time):
    """The error says that the sign-in service asked to wait, and for how long; it did answer."""
    service = serve(lambda seen: Say(429, b"", {"Retry-After": "400"}))
    with pytest.raises(ThrottledError, match=r"sign-in service .* asks to wait 400 s more \(status 429\)") as caught:
        tokens_from(service, time).token()
    assert (time.slept, caught.value.retry_after_s) == ([400.0, 400.0], 400.0)


def test_an_outage_is_told_apart_from_silence(serve, time):
    """A status is named where there was one; no answer is called that."""
    for say, words in (
        (Say(503), r"not available \(status 503\)"),
        (Say(cut=True), r"no answer from .* after 4 attempts \(.+\); check the address"),
    ):
        with pytest.raises(UnavailableError, match=words):
            tokens_from(serve(lambda seen, say=say: say), time).token()
