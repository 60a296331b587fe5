"""The transport gives the service's last word, and never sends twice what must not be sent twice."""

from __future__ import annotations

import gzip
import socket
import threading

import orjson
import pytest
import requests
import urllib3

from shared.dataverse.connection import Connection, NoAnswerError, Request, failures_told
from shared.dataverse.pauses import PausePolicy
from shared.dataverse.reply import read_body
from shared.dataverse.timeouts import BULK_S, READ_S
from shared.dataverse.writing import Writer
from shared.errors import AuthenticationError, DestinationError, ThrottledError, UnavailableError
from shared.values.changes import Write, WriteKind
from tests.unit.dataverse.service import Say, Tokens, account_table, refusal, row_id, transport_to
from tests.unit.dataverse.small_table import SmallTable


def in_turn(*answers: Say):
    """Answers one after another; the last stays."""
    left = list(answers)
    return lambda seen: left.pop(0) if len(left) > 1 else left[0]


def test_standard_headers_and_version(serve, time):
    """Every request carries token and OData version, and goes to v9.2 when the root alone is given."""
    service = serve(lambda seen: Say(200, {"ok": True}))
    with transport_to(service.url, time) as transport:
        assert transport.get("WhoAmI").json() == {"ok": True}
    seen = service.seen[0]
    assert seen.path == "/api/data/v9.2/WhoAmI"
    assert seen.headers["authorization"] == "Bearer t0"
    assert seen.headers["odata-version"] == "4.0"
    assert seen.headers["accept-encoding"] == "gzip"
    assert "cookie" not in seen.headers


def test_cookies_are_not_kept(serve, time):
    """A cookie would pin one web server, so none is sent back."""
    service = serve(lambda seen: Say(200, {}, {"Set-Cookie": "ARRAffinity=x; path=/"}))
    with transport_to(service.url, time) as transport:
        transport.get("a")
        transport.get("b")
    assert "cookie" not in service.seen[1].headers


def test_environment_proxies_are_ignored(serve, time, monkeypatch):
    """A proxy named in the machine's environment is not used."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    service = serve(lambda seen: Say(200, {}))
    with transport_to(service.url, time) as transport:
        assert transport.get("a").status == 200


def test_next_links_are_followed_verbatim(serve, time):
    """A paging token's encoding is not touched."""
    service = serve(lambda seen: Say(200, {}))
    link = "/api/data/v9.2/accounts?$skiptoken=%3Ccookie%20a=%22%257b%7E%22%20/%3E"
    with transport_to(service.url, time) as transport:
        transport.get(service.url + link)
    assert service.seen[0].path == link


@pytest.mark.parametrize("link", ["https://evil.example/x", "//evil.example/x", "http://u@127.0.0.1/x"])
def test_other_origins_get_no_token(serve, time, link):
    """A link to another origin is refused before anything is sent."""
    service = serve(lambda seen: Say(200, {}))
    with transport_to(service.url, time) as transport, pytest.raises(DestinationError, match="same origin"):
        transport.get(link)
    assert service.seen == []


def test_redirects_are_not_followed(serve, time):
    """A redirect is an error that names itself, for the token would travel along."""
    service = serve(lambda seen: Say(302, b"", {"Location": "https://evil.example/"}))
    with transport_to(service.url, time) as transport, pytest.raises(DestinationError, match="redirects"):
        transport.get("WhoAmI")
    assert len(service.seen) == 1


def test_threads_share_one_transport(serve, time):
    """Requests of many threads are all counted, and the pool's connections are used again."""
    service = serve(lambda seen: Say(200, {}))
    with transport_to(service.url, time) as transport:
        threads = [threading.Thread(target=lambda: [transport.get("a") for _ in range(10)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert transport.requests.requests == 40
    assert service.connections <= 4


def test_expired_token_is_renewed_once(serve, time):
    """401 → one new token and the same request again."""
    tokens = Tokens()
    service = serve(lambda seen: Say(200, {}) if seen.headers["authorization"] == "Bearer t1" else Say(401))
    with transport_to(service.url, time, tokens) as transport:
        assert transport.send("POST", "accounts", body=b"{}", repeatable=False).status == 200
    assert tokens.number == 1


def test_a_second_401_is_final(serve, time):
    """A fresh token that is refused ends the job."""
    service = serve(lambda seen: Say(401))
    with transport_to(service.url, time) as transport, pytest.raises(AuthenticationError, match="fresh token"):
        transport.get("WhoAmI")
    assert len(service.seen) == 2


@pytest.mark.parametrize(("header", "pause"), [("7", 7), ("Sun, 22 Nov 2026 12:00:09 GMT", 9), ("soon", 7), ("0", 7)])
def test_retry_after_is_obeyed(serve, time, header, pause):
    """Seconds and dates are both understood; without sense, or of none, it is 5 s + 2^n. Even a create is repeated."""
    throttled = refusal(429, "0x80072322", "Number of requests exceeded", **{"Retry-After": header})
    service = serve(in_turn(throttled, Say(204)))
    with transport_to(service.url, time) as transport:
        transport.send("POST", "accounts", body=b"{}", repeatable=False)
        assert time.slept == [pause]
        assert transport.requests.throttled == 1
        assert transport.requests.throttled_s == pause
        assert transport.requests.requests == 2


def test_a_write_is_permitted_each_time_it_is_sent(serve, time):
    """After a pause, too, which a lease may not have outlived; a read asks only whether anything may start."""
    service = serve(in_turn(Say(204), refusal(429, "0x80072322", "", **{"Retry-After": "600"}), Say(204)))
    asked: list[tuple[str, float]] = []

    def permit() -> None:
        asked.append(("permit", sum(time.slept)))
        if sum(time.slept) > 300:
            raise DestinationError("too late")

    with transport_to(service.url, time) as transport:
        transport.permit, transport.starting = permit, lambda: asked.append(("start", sum(time.slept)))
        transport.get("accounts")
        with pytest.raises(DestinationError, match="too late"):
            transport.send("PATCH", "accounts", body=b"{}", repeatable=True)
    assert asked == [("start", 0), ("start", 0), ("permit", 0), ("start", 600), ("permit", 600)]
    assert len(service.seen) == 2


def test_throttling_has_an_end(serve, time):
    """When the pauses add up to more than is kept, the caller is told how long to wait."""
    service = serve(lambda seen: refusal(429, "0x80072321", "Combined execution time", **{"Retry-After": "400"}))
    with transport_to(service.url, time) as transport, pytest.raises(ThrottledError) as caught:
        transport.get("accounts")
    assert caught.value.retry_after_s == 400
    assert sum(time.slept) <= 900


def test_nobody_sits_out_a_pause_that_is_too_long(serve, time):
    """Neither the request that was refused nor the next one waits for an hour: both say so, and nothing is sent."""
    service = serve(lambda seen: refusal(429, "0x80072321", "Combined execution time", **{"Retry-After": "3600"}))
    with transport_to(service.url, time) as transport:
        for _ in range(2):
            with pytest.raises(ThrottledError, match="a pause of 3600 s") as caught:
                transport.get("accounts")
            assert caught.value.retry_after_s == 3600
        time.sleep(2700)
        with pytest.raises(ThrottledError):
            transport.get("accounts")
    assert (time.slept, len(service.seen)) == ([2700, 900], 2)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_not_now_is_repeated_when_that_is_safe(serve, time, status):
    """Doubling pauses, then success."""
    service = serve(in_turn(Say(status), Say(status, "<html>bad gateway</html>"), Say(200, {})))
    with transport_to(service.url, time) as transport:
        assert transport.get("accounts").status == 200
    assert time.slept == [1.0, 2.0]


@pytest.mark.parametrize("answer", [Say(503), Say(cut=True), Say(500, "oops")])
def test_a_create_without_answer_is_not_repeated(serve, time, answer):
    """Nobody knows whether it was carried out, and the error says so."""
    service = serve(lambda seen: answer)
    with transport_to(service.url, time) as transport, pytest.raises(UnavailableError) as caught:
        transport.send("POST", "accounts", body=b"{}", repeatable=False)
    assert caught.value.maybe_done
    assert len(service.seen) == 1


def test_nothing_sent_is_not_in_doubt(time):
    """A refused connection is tried again even for a create, and leaves nothing in doubt."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with transport_to(f"http://127.0.0.1:{port}", time) as transport, pytest.raises(UnavailableError) as caught:
        transport.send("POST", "accounts", body=b"{}", repeatable=False)
    assert not caught.value.maybe_done
    assert "(the connection was refused)" in str(caught.value)
    assert len(time.slept) == 5


def test_a_host_that_nobody_knows_is_said():
    """The commonest slip in a service URL is told in words, not by the library's names, and nothing was sent."""
    unknown = urllib3.exceptions.NameResolutionError("h", urllib3.connection.HTTPConnection("h"), socket.gaierror())
    error = requests.exceptions.ConnectionError(urllib3.exceptions.MaxRetryError(None, "/", unknown))
    with pytest.raises(NoAnswerError) as caught, failures_told():
        raise error
    assert (str(caught.value), caught.value.sent) == ("no such host is known", False)


def test_definite_refusals(serve, time):
    """A refusal is told in plain words with code and request id; decimal codes are understood."""
    service = serve(lambda seen: refusal(403, "-2147220960", "missing prvReadAccount privilege"))
    with transport_to(service.url, time) as transport, pytest.raises(DestinationError) as caught:
        transport.get("accounts")
    assert caught.value.code == "0x80040220"
    assert caught.value.request_id == "req-1"
    assert "security role" in str(caught.value)


def test_a_user_that_does_not_exist_is_an_authentication_matter(serve, time):
    """The application is no user of the environment."""
    service = serve(lambda seen: refusal(403, "0x80072560", "The user is not a member of the organization."))
    with transport_to(service.url, time) as transport, pytest.raises(AuthenticationError, match="application user"):
        transport.get("WhoAmI")


def test_deadlocks_are_repeated_only_where_that_is_safe(serve, time):
    """A deadlocked read is tried again; the last word of a create comes back at once."""
    deadlock = refusal(500, "0x80044150", "Generic SQL error. Sql Number: 1205")
    service = serve(in_turn(deadlock, Say(200, {}), deadlock))
    with transport_to(service.url, time) as transport:
        assert transport.get("accounts").status == 200
        assert transport.exchange("POST", "accounts", body=b"{}", repeatable=False).status == 500
    assert len(service.seen) == 3


def test_login_pages_are_not_success(serve, time):
    """A web page with status 200 is something else than the service."""
    service = serve(lambda seen: Say(200, b"<!DOCTYPE html><html>sign in</html>", {"Content-Type": "text/html"}))
    with transport_to(service.url, time) as transport, pytest.raises(DestinationError, match="web page"):
        transport.send("PATCH", "accounts(1)", body=b"{}", repeatable=True)


def test_gzip_is_undone_once_and_bounded(serve, time):
    """A packed page arrives whole; one that unpacks beyond the bound is refused."""
    page = orjson.dumps({"value": ["x" * 100_000]})
    service = serve(lambda seen: Say(200, gzip.compress(page), {"Content-Encoding": "gzip"}))
    with transport_to(service.url, time) as transport:
        assert transport.get("a").body == page
    with (
        transport_to(service.url, time, reply_limit_bytes=50_000) as transport,
        pytest.raises(DestinationError, match="larger than 50000"),
    ):
        transport.get("a")


def test_a_reply_cut_short_is_read_again(serve, time):
    """A read whose body ends early is repeated, packed or not."""
    packed = gzip.compress(b'{"value":[]}')
    service = serve(
        in_turn(
            Say(200, b'{"value":[1,2,3]}', cut=5),
            Say(200, packed[:-9], {"Content-Encoding": "gzip"}),
            Say(200, packed, {"Content-Encoding": "gzip"}),
        )
    )
    with transport_to(service.url, time) as transport:
        assert transport.get("a").body == b'{"value":[]}'
    assert len(service.seen) == 3


DRIPS = {"body": Say(200, 1000 * b" ", drip=0.02), "headers": Say(200, drip=0.02)}


@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS)
def test_a_reply_that_drips_ends_in_time(serve, time, drip):
    """No single wait is long, the whole is: a read is repeated, of a write nobody knows whether it was carried out."""
    service = serve(lambda seen: drip if seen.method == "POST" or len(service.seen) == 1 else Say(200, {"ok": True}))
    with transport_to(service.url, time, timeout_s=0.2) as transport:
        assert transport.get("accounts").json() == {"ok": True}
        assert time.slept[0] == 1.0
        before = len(service.seen)
        with pytest.raises(UnavailableError, match=r"did not end within 0\.2 s|no reply in time") as caught:
            transport.send("POST", "accounts", body=b"{}", repeatable=False)
    assert caught.value.maybe_done
    assert len(service.seen) == before + 1


def test_a_reply_that_arrived_whole_is_not_cut(serve, time, monkeypatch):
    """Its time passes while it is unpacked: it counts, and its line, which may be another's by now, is left alone."""
    service = serve(lambda seen: Say(200, {"ok": True}))
    connection = Connection(timeout_s=5, pool=1, clock=time, verify=True, reply_limit_bytes=1000)

    def unpacked_late(raw, headers, *, limit_bytes):
        body = read_body(raw, headers, limit_bytes=limit_bytes)
        for deadline in list(connection._deadlines._open):
            deadline.cut()
        return body

    monkeypatch.setattr("shared.dataverse.connection.read_body", unpacked_late)
    for _ in range(2):
        assert connection.exchange(Request("GET", service.url + "/a", None)).json() == {"ok": True}
    assert service.connections == 1
    connection.close()


def test_each_kind_of_request_has_its_time(serve, time, monkeypatch):
    """Reads and bulk calls take less than the definition allows at most, and never more; batches may take all of it."""
    table, allowed = account_table(bulk_create=True), list[float | None]()
    exchange = Connection.exchange

    def noted(self, request, token):
        allowed.append(min(request.timeout_s or self._timeout_s, self._timeout_s))
        return exchange(self, request, token)

    monkeypatch.setattr(Connection, "exchange", noted)
    for timeout_s in (480, 60):
        with transport_to(serve(SmallTable()).url, time, timeout_s=timeout_s) as transport:
            transport.get("accounts")
            Writer(transport, table).write(WriteKind.CREATE, [Write(1, row_id(1), "{}")])
            Writer(transport, table).write(WriteKind.DELETE, [Write(1, row_id(1), "{}")])
    assert allowed == [READ_S, BULK_S, 480, 60, 60, 60]


@pytest.mark.parametrize(("hint", "found"), [("48", 48), ("nonsense", None), ("0", None), ("99999999999", None)])
def test_parallelism_hint(serve, time, hint, found):
    """The service's hint is kept when it makes sense."""
    service = serve(lambda seen: Say(200, {}, {"x-ms-dop-hint": hint}))
    with transport_to(service.url, time) as transport:
        transport.get("a")
        assert transport.parallelism_hint == found


def test_errors_hold_no_filter(serve, time):
    """A failed connection's message does not repeat the address: filters hold field values."""
    service = serve(lambda seen: Say(cut=True))
    with transport_to(service.url, time) as transport, pytest.raises(UnavailableError) as caught:
        transport.get("accounts?$filter=name eq 'Secret Ltd'")
    assert "Secret" not in str(caught.value)


def test_a_silent_service_is_told(serve, time, caplog):
    """Each repeat for want of an answer is a warning with its number and its pause."""
    service = serve(in_turn(Say(cut=True), Say(503), Say(200, {})))
    with transport_to(service.url, time) as transport:
        transport.get("a")
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [line.rpartition(" pause_s=")[0] for line in told] == [
        f"service.unanswered service={service.url} status=none attempt=1",
        f"service.unanswered service={service.url} status=503 attempt=2",
    ]


class Named(Tokens):
    """Tokens of one application user."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def token(self) -> str:
        return f"{self.name}{self.number}"


def test_several_credentials_share_the_work(serve, time):
    """A request that one user is refused goes on with the other at once; the refused one rests; each renews its own."""
    throttled = refusal(429, "0x80072321", "Combined execution time", **{"Retry-After": "60"})
    service = serve(lambda seen: throttled if seen.headers["authorization"] == "Bearer a0" else Say(204))
    with transport_to(service.url, time, [Named("a"), Named("b")]) as transport:
        for _ in range(3):
            assert transport.send("POST", "accounts", body=b"{}", repeatable=False).status == 204
        used = [use.requests for use in transport.uses()]
    assert time.slept == []
    assert [seen.headers["authorization"] for seen in service.seen].count("Bearer a0") == 1
    assert used == [1, 3]


def test_a_refusal_is_logged_with_its_request_id(serve, time, caplog):
    """What Microsoft's support asks for is in the log."""
    service = serve(lambda seen: refusal(400, "0x80040203", "A value with a secret in it"))
    with transport_to(service.url, time) as transport, caplog.at_level("DEBUG"):
        transport.exchange("POST", "accounts", body=b"{}", repeatable=False)
    lines = [record.getMessage() for record in caplog.records]
    assert "request.refused status=400 code=0x80040203 request=req-1" in lines
    assert not any("secret" in one for one in lines)


def test_each_credential_renews_its_own_token(serve, time):
    """Both tokens were taken back: one request meets both, and each is renewed once."""
    throttled = refusal(429, "0x80072321", "Combined execution time", **{"Retry-After": "60"})
    said = {"Bearer a0": Say(401), "Bearer a1": throttled, "Bearer b0": Say(401), "Bearer b1": Say(204)}
    service = serve(lambda seen: said[seen.headers["authorization"]])
    with transport_to(service.url, time, [Named("a"), Named("b")]) as transport:
        assert transport.send("POST", "accounts", body=b"{}", repeatable=False).status == 204
    assert [seen.headers["authorization"] for seen in service.seen] == list(said)


@pytest.mark.parametrize(("named", "pauses"), [("100", [100.0]), ("0", [1.0])])
def test_a_pause_that_an_outage_names_is_kept(serve, time, named, pauses):
    """Also a longer one than we would make by ourselves."""
    service = serve(in_turn(Say(503, b"", {"Retry-After": named}), Say(200, {})))
    with transport_to(service.url, time) as transport:
        transport.get("accounts")
    assert time.slept == pauses


def test_an_outage_that_names_too_long_a_pause_ends_the_request(serve, time):
    """Nobody waits longer than is kept, and nobody comes before the time."""
    service = serve(lambda seen: Say(503, b"", {"Retry-After": "400"}))
    with transport_to(service.url, time) as transport, pytest.raises(UnavailableError, match="pause of 400 s"):
        transport.get("accounts")
    assert time.slept == [400.0, 400.0]


def test_pauses_of_several_credentials_run_side_by_side(serve, time):
    """All four are refused within a moment: that is one pause of five minutes, not four one after another."""
    throttled = refusal(429, "0x80072321", "Combined execution time", **{"Retry-After": "300"})
    met: set[str] = set()

    def first_refused(seen):
        token = seen.headers["authorization"]
        if token in met:
            return Say(204)
        met.add(token)
        return throttled

    with transport_to(serve(first_refused).url, time, [Named(one) for one in "abcd"]) as transport:
        assert transport.send("POST", "accounts", body=b"{}", repeatable=False).status == 204
    assert time.slept == [300.0]


def test_a_long_pause_of_one_credential_leaves_the_work_to_the_other(serve, time):
    """Longer than anybody would wait: nobody has to."""
    throttled = refusal(429, "0x80072321", "Combined execution time", **{"Retry-After": "2000"})
    service = serve(lambda seen: throttled if seen.headers["authorization"] == "Bearer a0" else Say(204))
    with transport_to(service.url, time, [Named("a"), Named("b")]) as transport:
        assert transport.send("POST", "accounts", body=b"{}", repeatable=False).status == 204
    assert time.slept == []


@pytest.mark.parametrize(("bound_s", "attempts"), [(3600, 4), (15, 1)])
def test_what_hangs_for_too_long_is_not_tried_again(time, monkeypatch, bound_s, attempts):
    """A request that had no answer for as long as the policy allows is given up, whatever attempts are left."""
    policy = PausePolicy(attempts=3, first_s=0.5, unanswered_total_s=bound_s)
    tried = []

    def hangs(*_):
        tried.append(1)
        time.sleep(60)
        raise NoAnswerError("no reply in time", sent=True)

    with transport_to("http://127.0.0.1:9", time, pauses=policy) as transport:
        monkeypatch.setattr(Connection, "exchange", hangs)
        with pytest.raises(UnavailableError, match=f"after {attempts} attempt"):
            transport.get("accounts")
    assert len(tried) == attempts
