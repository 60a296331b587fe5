"""Certificates, rotated secrets and managed identities: where their proofs go, and what they say when refused."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography import x509

from local.identity import Application as Registered
from local.identity import Fault, LocalIdentity
from shared.dataverse.auth import Application, Certificate, ClientSecret, EntraTokens, ManagedIdentityTokens
from shared.errors import AuthenticationError, DestinationError, NotAllowedError, UnavailableError
from tests.certificates import made
from tests.unit.dataverse.service import Say, transport_to

APP = "0d000000-0000-4000-8000-00000000c1d1"


class Home:
    """Credentials that change: what is remembered, and what the home has now."""

    def __init__(self, old: str, new: str | Exception) -> None:
        self.values = {False: old, True: new}
        self.asked: list[bool] = []

    def __call__(self, fresh: bool) -> Application:
        self.asked.append(fresh)
        value = self.values[fresh]
        if isinstance(value, Exception):
            raise value
        return Application("contoso.example", APP, ClientSecret(value))


def taking(secret: str):
    """An authority that takes this secret only."""

    def script(seen):
        form = parse_qs(seen.body.decode())
        if form.get("client_secret") == [secret]:
            return Say(200, {"access_token": f"for-{secret}", "expires_in": 3600})
        return Say(401, {"error": "invalid_client", "error_description": "AADSTS7000215: wrong"})

    return script


def entra(read, service, time, **more) -> EntraTokens:
    settings = {"clock": time, "sleep": time.sleep, "allowed_authorities": [service.url], **more}
    return EntraTokens(read, service.url, service.url, **settings)


def by_certificate(text: str | bytes, service, time, name: str = "my-sync--cert", **more) -> EntraTokens:
    whole = text.decode() if isinstance(text, bytes) else text
    return entra(lambda _: Application("contoso.example", APP, Certificate(whole, name)), service, time, **more)


def test_a_refused_secret_is_read_once_more(serve, time, caplog):
    """A rotated secret is taken up without a restart; the log tells that, and neither value."""
    caplog.set_level(logging.DEBUG)
    service, home = serve(taking("marked-new")), Home("marked-old", "marked-new")
    tokens = entra(home, service, time)
    assert tokens.token() == "for-marked-new"
    assert home.asked == [False, True]
    assert "credentials.renewed" in caplog.text
    assert "marked" not in caplog.text + repr(tokens) + repr(home(False))
    time.now += timedelta(hours=2)
    assert tokens.token() == "for-marked-new"
    assert home.asked[2:] == [False]


def test_an_unchanged_secret_is_not_sent_again(serve, time):
    """Entra is asked once, the home once."""
    service, home = serve(taking("right")), Home("marked", "marked")
    with pytest.raises(AuthenticationError, match="AADSTS7000215") as caught:
        entra(home, service, time).token()
    assert (len(service.seen), home.asked) == (1, [False, True])
    assert "marked" not in str(caught.value)


def test_a_new_secret_that_is_wrong_too_ends_it(serve, time):
    """No third attempt."""
    service, home = serve(taking("right")), Home("old", "new")
    with pytest.raises(AuthenticationError, match="AADSTS7000215"):
        entra(home, service, time).token()
    assert (len(service.seen), home.asked) == (2, [False, True])


def test_a_home_that_fails_then_says_so(serve, time):
    """Its own error is the one to tell."""
    home = Home("old", UnavailableError("no answer for secret 'a' in the key vault"))
    with pytest.raises(UnavailableError, match="secret 'a'"):
        entra(home, serve(taking("right")), time).token()


def test_threads_renew_once(serve, time):
    """Eight threads with one stale secret cause one look at its home."""
    service, home, found = serve(taking("new")), Home("old", "new"), []
    tokens = entra(home, service, time)
    threads = [threading.Thread(target=lambda: found.append(tokens.token())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, home.asked) == (["for-new"] * 8, [False, True])


@pytest.mark.parametrize("form", ["whole", "packed", "turned"])
def test_a_certificate_signs_an_assertion(serve, form):
    """PEM in either order or PKCS#12; signed for this endpoint and ten minutes; the key is not sent."""
    certificate, now = made("app"), datetime.now(UTC)
    clock = type("Clock", (), {"__call__": lambda self: now, "sleep": lambda self, s: None})()
    texts = {"whole": certificate.whole.decode(), "packed": certificate.packed}
    texts["turned"] = certificate.public + certificate.key.decode()
    service = serve(lambda seen: Say(200, {"access_token": "t", "expires_in": 3600}))
    assert by_certificate(texts[form], service, clock).token() == "t"
    sent = {name: values[0] for name, values in parse_qs(service.seen[0].body.decode()).items()}
    assert sent["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert "client_secret" not in sent
    assert "PRIVATE" not in service.seen[0].body.decode()
    public = x509.load_pem_x509_certificate(certificate.public.encode()).public_key()
    endpoint = f"{service.url}/contoso.example/oauth2/v2.0/token"
    claims = jwt.decode(sent["client_assertion"], public, ["PS256"], audience=endpoint)
    assert (claims["iss"], claims["sub"]) == (APP, APP)
    assert claims["exp"] - now.timestamp() <= 600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("marked", "cannot be read as a certificate"),
        ("", "cannot be read as a certificate"),
        ("bWFya2Vk", "cannot be read as a certificate"),
        ("-----BEGIN CERTIFICATE-----\nmarked\n-----END CERTIFICATE-----", "cannot be read as a certificate"),
        (made("app").public, "cannot be read as a certificate"),
        (made("app").key + made("other").public.encode(), "no certificate that belongs to its key"),
        (made("curve", elliptic=True).whole, "no RSA key"),
        (made("old", days=-1).whole, "expired on 20"),
    ],
)
def test_a_certificate_that_cannot_sign_in_says_why(serve, text, said):
    """With the secret's name and never its content; nothing is sent."""
    clock = type("Clock", (), {"__call__": lambda self: datetime.now(UTC), "sleep": lambda self, s: None})()
    service = serve(lambda seen: Say(200, {"access_token": "t", "expires_in": 3600}))
    tokens = by_certificate(text, service, clock)
    with pytest.raises(AuthenticationError, match=said) as caught:
        tokens.token()
    assert "my-sync--cert" in str(caught.value)
    assert "marked" not in str(caught.value)
    assert "BEGIN" not in str(caught.value) + repr(tokens) + repr(Certificate("-----BEGIN", "n"))
    assert service.seen == []


def test_a_certificate_not_valid_yet(serve):
    """Told by its day."""
    early = datetime.now(UTC) - timedelta(days=400)
    clock = type("Clock", (), {"__call__": lambda self: early, "sleep": lambda self, s: None})()
    with pytest.raises(AuthenticationError, match="is not valid before 20"):
        by_certificate(made("app").whole, serve(taking("x")), clock).token()


@pytest.mark.parametrize(
    "authority",
    ["https://evil.example/", "http://login.microsoftonline.com/", "https://login.microsoftonline.com.evil.example/"],
)
@pytest.mark.parametrize("proof", [ClientSecret("marked"), Certificate(made("app").whole.decode(), "c")])
def test_every_proof_goes_to_known_authorities_only(time, authority, proof):
    """Another authority is refused before the credentials are read, let alone sent."""

    def read(fresh: bool) -> Application:
        raise AssertionError("the credentials were read")

    with pytest.raises(NotAllowedError, match="not sent"):
        EntraTokens(read, "https://org.crm4.dynamics.com", authority, clock=time)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("proof", [ClientSecret("marked"), Certificate(made("app").whole.decode(), "c")])
def test_no_redirect_takes_a_proof_elsewhere(serve, status, proof):
    """An authority that redirects is refused; the other host hears nothing."""
    clock = type("Clock", (), {"__call__": lambda self: datetime.now(UTC), "sleep": lambda self, s: None})()
    other = serve(lambda seen: Say(200, {"access_token": "t", "expires_in": 3600}))
    service = serve(lambda seen: Say(status, b"", {"Location": f"{other.url}/x/oauth2/v2.0/token"}))
    with pytest.raises(AuthenticationError, match=f"status {status}"):
        entra(lambda _: Application("contoso.example", APP, proof), service, clock).token()
    assert other.seen == []


@pytest.fixture
def azure(monkeypatch):
    with LocalIdentity() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


def identity_tokens(azure, service, time, client_id=None) -> ManagedIdentityTokens:
    azure.directory.add_resources([service.url])
    return ManagedIdentityTokens(client_id, service.url, clock=time, retries=0)


@pytest.fixture
def wall():
    """The wall's clock: the library's tokens end by it."""

    class Wall:
        now = timedelta()
        slept: list[float] = []  # noqa: RUF012 - one test, one clock

        def __call__(self):
            return datetime.now(UTC) + self.now

        def sleep(self, seconds):
            self.slept.append(seconds)

    return Wall()


def test_a_managed_identity_asks_the_platform(azure, serve, wall):
    """For this environment alone; kept until five minutes before its end; renewed at once when refused."""
    service = serve(lambda seen: Say())
    tokens = identity_tokens(azure, service, wall)
    first = tokens.token()
    claims = jwt.decode(first, options={"verify_signature": False})
    assert (claims["aud"], claims["appid"]) == (service.url, azure.machine_id)
    assert tokens.token() == first
    assert tokens.renew() != first
    assert len([seen for seen in azure.requests if seen.part == "identity"]) == 2
    wall.now = timedelta(minutes=56)
    tokens.token()
    assert len([seen for seen in azure.requests if seen.part == "identity"]) == 3
    assert first not in repr(tokens) + repr(vars(tokens))


def test_a_user_assigned_identity_is_named(azure, serve, wall):
    """By its client id; an unknown one is told."""
    other = "1d000000-0000-4000-8000-00000000a55f"
    azure.add(Registered(other, azure.tenant_id, managed=True))
    service = serve(lambda seen: Say())
    token = identity_tokens(azure, service, wall, other).token()
    assert jwt.decode(token, options={"verify_signature": False})["appid"] == other
    with pytest.raises(AuthenticationError, match="no managed identity with that client id"):
        identity_tokens(azure, service, wall, APP).token()


def test_a_machine_without_identity_is_told(azure, serve, wall, monkeypatch):
    """What to do on one's own machine."""
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    with pytest.raises(AuthenticationError, match="On your own machine") as caught:
        identity_tokens(azure, serve(lambda seen: Say()), wall).token()
    assert caught.value.__suppress_context__


def test_an_endpoint_that_does_not_answer(azure, serve, wall):
    """May be tried again later, unlike a refusal."""
    azure.inject(Fault(part="identity", cut=True, times=9))
    with pytest.raises(UnavailableError, match="run again later"):
        identity_tokens(azure, serve(lambda seen: Say()), wall).token()


@pytest.mark.parametrize("kind", ["secret", "certificate", "identity"])
def test_tokens_never_reach_another_host(azure, serve, wall, kind):
    """Whatever signs in: neither a redirect nor a next link takes the token along."""
    other = serve(lambda seen: Say(200, {}))

    def script(seen):
        if "oauth2" in seen.path:
            return Say(200, {"access_token": "t", "expires_in": 3600})
        return Say(307, b"", {"Location": f"{other.url}/api/data/v9.2/accounts"})

    service = serve(script)
    proofs = {"secret": ClientSecret("s"), "certificate": Certificate(made("app").whole.decode(), "c")}
    tokens = (
        identity_tokens(azure, service, wall)
        if kind == "identity"
        else entra(lambda _: Application("contoso.example", APP, proofs[kind]), service, wall)
    )
    with transport_to(service.url, wall, tokens) as transport:
        for path in ("accounts", f"{other.url}/api/data/v9.2/accounts?$skiptoken=1"):
            with pytest.raises(DestinationError):
                transport.get(path)
    assert other.seen == []
    assert service.seen[-1].headers["authorization"].startswith("Bearer ")
