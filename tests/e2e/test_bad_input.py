from __future__ import annotations

import functools
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from local.dataverse import LocalDataverse
from shared.dataverse.auth import EntraTokens
from shared.dataverse.transport import Transport
from shared.errors import DefinitionError, DynsyncError, RefuseError
from shared.values.jobs import Job, JobState
from tests.e2e.conftest import World, an_hour_ago, closes
from tests.e2e.stories import Sync, column, rejects

ACCOUNT = Sync(
    columns={"no": "text", "name": "text", "staff": {"type": "number", "validate": True}},
    maps={"no": "accountnumber", "name": "name", "staff": "numberofemployees"},
    key=["accountnumber"],
    behaviour={"dropped": "delete"},
)
GOOD = "no,name,staff\nA1,One,1\nA2,Two,2\n"


@dataclass(frozen=True)
class Attempt:
    """What became of a start: the job, if there was one, and every message that a person sees."""

    job: Job | None
    text: str


def attempt(world: World, sync: Sync, **start: object) -> Attempt:
    """Start the sync; a refusal and a failed job are both answers, anything else is a fault."""
    world.dataverse.clear_requests()
    try:
        job = closes(world.run(sync.name, **start))  # type: ignore[arg-type]
    except DynsyncError as error:
        return Attempt(None, str(error))
    return Attempt(job, str(job.error))


def begin(world: World, sync: Sync = ACCOUNT) -> None:
    """Two rows from a good first run."""
    ACCOUNT.define(world)
    world.write("data.csv", GOOD)
    assert world.run("story").state is JobState.SUCCEEDED
    sync.define(world)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world after a good first run, for all that must leave it unharmed."""
    folder = tmp_path_factory.mktemp("first")
    (folder / "syncs").mkdir()
    (folder / "syncs" / "reach.yaml").write_text("folders: ['..']\n", encoding="utf-8")
    with LocalDataverse(clock=an_hour_ago) as dataverse:
        world = World(dataverse, folder, {})
        begin(world)
        yield world


@pytest.fixture
def begun(first: World, tmp_path: Path) -> Iterator[World]:
    """The same world with a folder of its own, as the first run left it; afterwards its rows still stand."""
    shutil.copytree(first.folder, tmp_path, dirs_exist_ok=True)
    world = replace(first, folder=tmp_path, environ=dict(first.environ))
    yield world
    world.dataverse.application.faults.clear()
    assert column(world, "name") == {"A1": "One", "A2": "Two"}


def rewrite(world: World, old: str, new: str) -> None:
    """Change the text of the definition."""
    path = world.folder / "syncs" / "story.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def unharmed(world: World) -> bool:
    """Nothing was written since the first run."""
    return world.writes() == [] and column(world, "name") == {"A1": "One", "A2": "Two"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(None, ["data.csv", "not|no such"], id="missing"),
        pytest.param(b"", ["data.csv", "empty"], id="empty"),
        pytest.param(b"no;name;staff\nA1;One;1\n", ["delimiter", "';'"], id="wrong delimiter"),
        pytest.param(b"no,name,staff\nA1,\xff\xfe\xe9,1\n", ["data.csv", "utf-8", "encoding"], id="broken encoding"),
        pytest.param("no,name,staff\nA1,One,1\n".encode("utf-16"), ["data.csv", "encoding"], id="another encoding"),
        pytest.param(b"no,name,name,staff\nA1,a,b,1\n", ["name", "twice|two|more than once"], id="header twice"),
        pytest.param(b"no,title,staff\nA1,One,1\n", ["no column 'name'", "title"], id="column gone"),
        pytest.param(b'no,name,staff\nA1,"One,1\nA2,Two,2\n', ["data.csv", "closed", "quote"], id="quote not closed"),
    ],
)
def test_a_file_that_cannot_be_read_fails_the_job_in_words(
    begun: World, content: bytes | None, says: list[str]
) -> None:
    """File, place and remedy are told; nothing is written, and no row counts as dropped."""
    (begun.folder / "data.csv").unlink()
    if content is not None:
        begun.write("data.csv", content)

    found = attempt(begun, ACCOUNT)

    texts = [found.text, *(str(r.reason) for r in (begun.app.rejects(found.job.id) if found.job else ()))]
    assert all(any(re.search(word, text, re.IGNORECASE) for text in texts) for word in says), texts
    assert found.job is not None
    assert (found.job.state, found.job.planned) == (JobState.FAILED, {})
    assert unharmed(begun)
    assert all(len(text) < 1500 for text in texts)


def test_an_empty_extract_is_held_by_a_brake(world: World) -> None:
    """A file with a header alone would drop every row: the plan waits for a person."""
    begin(world)
    world.write("data.csv", "no,name,staff\n")

    found = attempt(world, ACCOUNT)

    assert found.job is not None
    assert (found.job.state, [brake.name for brake in found.job.brakes]) == (
        JobState.AWAITING_APPROVAL,
        ["empty_source"],
    )
    assert unharmed(world)


@pytest.mark.parametrize(
    ("line", "type_", "place"),
    [
        ("A3,Three", "Malformed Row", None),
        ("A3,Three,3,more", "Malformed Row", None),
        ("A3," + "x" * 10_000_000 + ",3", "Max Length Violation", "name"),
        ("A3,Three,many", "Invalid Format", "staff"),
        ("A3,Three,1.5", "Invalid Format", "numberofemployees"),
        ("A3,Three,9999999999", "Out of Range", "numberofemployees"),
        ("A3," + "x" * 161 + ",3", "Max Length Violation", "name"),
        ("A3," + "\U0001f600" * 80 + "x,3", "Max Length Violation", "name"),
        (",Three,3", "Missing Key", "accountnumber"),
        ("A1 ,Three,3", "Duplicate Key", "accountnumber"),
        ("a1,Three,3", "Duplicate Key", "accountnumber"),
    ],
)
def test_a_bad_line_is_set_aside_and_nothing_is_dropped_for_it(
    world: World, line: str, type_: str, place: str | None
) -> None:
    """Each bad record has row, type and column; its neighbours land; its row, which may be any, is kept."""
    begin(world)
    world.write("data.csv", "no,name,staff\nA1,Uno,1\n" + line + "\n")

    found = attempt(world, ACCOUNT)

    assert found.job is not None
    assert found.job.state is JobState.COMPLETED_WITH_ERRORS
    listed = rejects(world, found.job)
    assert (2, type_, place) in listed
    assert {row for row, *_ in listed} <= {1, 2}
    withheld = type_ in ("Malformed Row", "Missing Key")
    assert found.job.destination.deleted == (0 if withheld else 1)
    assert ("A2" in column(world, "name")) is withheld
    if type_ != "Duplicate Key":
        assert column(world, "name")["A1"] == "Uno"


def test_a_reject_keeps_its_record_as_the_source_told_it(world: World) -> None:
    """Whoever mends the source sees the whole record, and the line of one that could not be split."""
    begin(world)
    world.write("data.csv", 'no,name,staff\nA1,"two\nlines",many\nA2,Two\n')

    found = attempt(world, ACCOUNT)

    assert found.job is not None
    split, torn = world.app.rejects(found.job.id)
    assert (split.row, json.loads(split.source or "")) == (1, {"no": "A1", "name": "two\nlines", "staff": "many"})
    assert (torn.row, torn.source, torn.reason) == (2, "A2,Two", "line 4: 2 cells instead of 3")


def test_a_text_of_emoji_that_just_fits_is_written(world: World) -> None:
    """Dataverse counts UTF-16 code units, and an emoji has two: eighty of them fill 160 characters."""
    ACCOUNT.runs_clean(world, ["A1", "\U0001f600" * 80, 1])
    assert column(world, "name") == {"A1": "\U0001f600" * 80}


def test_leading_zeros_are_kept_where_the_key_is_text(world: World) -> None:
    """`007` is a text and stays one; fed by a number column it would be another key, so the job is refused."""
    sync = ACCOUNT.behaving(dropped="ignore")
    sync.runs_clean(world, ["007", "Bond", 1], ["7", "Seven", 2])
    assert set(column(world, "name")) == {"007", "7"}
    number = sync.but(columns={**sync.columns, "no": "number"})

    job = number.run(world, ["007", "Bond", 1])

    assert job.state is JobState.FAILED
    assert "behaviour.key.0" in str(job.error)
    assert "leading zeros" in str(job.error)
    assert "type: text" in str(job.error)
    assert column(world, "name") == {"007": "Bond", "7": "Seven"}


CHANGED: list[tuple[str, Callable[[Sync], Sync], list[str]]] = [
    ("entity unknown", lambda s: s.but(entity="acount", destination={"id_column": "accountid"}), ["acount", "account"]),
    ("column unknown", lambda s: s.but(maps={**s.maps, "name": "nam"}), ["mappings.1", "nam", "name"]),
    ("column not writable", lambda s: s.but(maps={**s.maps, "name": "createdon"}), ["createdon"]),
    ("column computed", lambda s: s.but(maps={**s.maps, "staff": "versionnumber"}), ["versionnumber", "not writable"]),
    ("id column wrong", lambda s: s.but(destination={"id_column": "acountid"}), ["destination.id_column", "accountid"]),
    ("type does not fit", lambda s: s.but(maps={**s.maps, "name": "numberofemployees", "staff": "name"}),
     ["mappings.1", "number"]),
    ("money without currency", lambda s: s.but(maps={**s.maps, "staff": "creditlimit"}), ["currency", "creditlimit"]),
    ("currency unknown", lambda s: s.but(destination={"currency": "ZZZ"}), ["destination.currency", "ZZZ", "EUR"]),
    ("lookup of two tables", lambda s: s.but(entity="contact", maps={"no": "externaluseridentifier", "name":
     "parentcustomerid"}, key=["externaluseridentifier"]), ["parentcustomerid", "account", "link"]),
    ("link without lookup", lambda s: s.but(maps={**s.maps, "name": {"target": "name", "link": {"entity": "account",
     "column": "name"}}}), ["name", "no lookup"]),
    ("link to another table", lambda s: s.but(maps={**s.maps, "name": {"target": "parentaccountid", "link": {"entity":
     "contact", "column": "lastname"}}}), ["parentaccountid", "account"]),
    ("link column unknown", lambda s: s.but(maps={**s.maps, "name": {"target": "parentaccountid", "link": {"entity":
     "account", "column": "nmae"}}}), ["nmae", "name"]),
    ("key not readable", lambda s: s.but(maps={**s.maps, "name": "description"}, key=["description"]),
     ["behaviour.key", "description"]),
    ("expire column wrong", lambda s: s.behaving(dropped={"expire": "telephone1"}),
     ["behaviour.dropped", "new_expiredon"]),
    ("status unknown", lambda s: s.behaving(dropped={"deactivate": "Gone"}), ["behaviour.dropped", "Gone", "Inactive"]),
    ("filter broken", lambda s: s.but(destination={"filter": "name eq 'x"}), ["filter", "quote"]),
    ("filter on no column", lambda s: s.but(destination={"filter": "nam eq 'x'"}), ["nam"]),
    ("formula grows", lambda s: s.but(columns={**s.columns, "name": {"type": "text", "formula":
     "repeat(no, 1000000000)"}}), ["repeat"]),
    ("formula reads a file", lambda s: s.but(columns={**s.columns, "name": {"type": "text", "formula":
     "(SELECT content FROM read_text('/etc/passwd'))"}}), ["formula"]),
    ("formula in a circle", lambda s: s.but(columns={**s.columns, "name": {"type": "text", "formula": "name"}}),
     ["name"]),
    ("variable unknown", lambda s: s.but(source={"filter": "name = @who"}), ["who"]),
    ("path out of reach", lambda s: s.but(source={"path": "/etc/passwd"}), ["/etc/passwd", "reach"]),
]  # fmt: skip


@pytest.mark.parametrize(("change", "says"), [pytest.param(c, s, id=name) for name, c, s in CHANGED])
def test_a_definition_that_does_not_fit_is_told_with_place_and_remedy(
    begun: World, change: Callable[[Sync], Sync], says: list[str]
) -> None:
    """One message names sync, place, what was found and what is allowed; nothing is written."""
    change(ACCOUNT).define(begun)

    found = attempt(begun, ACCOUNT)

    assert all(word in found.text for word in says), found.text
    assert found.job is None or found.job.state is JobState.FAILED
    assert "fault of the program" not in found.text
    assert unharmed(begun)


@pytest.mark.parametrize(
    ("formula", "row", "kept"),
    [
        ("CAST(100 / staff AS TEXT)", 2, {"A1", "A3", "A4"}),
        ("CAST(CAST(name AS INTEGER) AS TEXT)", 3, {"A1", "A2", "A4"}),
    ],
)
def test_a_formula_that_fails_on_a_record_rejects_that_record(
    world: World, formula: str, row: int, kept: set[str]
) -> None:
    """A division by zero, a cast that fails: that record is set aside, with its column, and no other."""
    sync = with_formula(formula)
    sync.read(world, ["A1", "1", 1], ["A2", "1", 0], ["A3", "x", 2], ["A4", "1", 999])

    found = attempt(world, sync)

    assert found.job is not None
    assert found.job.state is JobState.COMPLETED_WITH_ERRORS
    assert rejects(world, found.job) == [(row, "Expression Error", "made")]
    assert (found.job.source.created, found.job.source.rejected) == (3, 1)
    assert set(column(world, "name")) == kept


def test_a_formula_that_could_grow_a_text_without_bound_is_refused(world: World) -> None:
    """A length that depends on a record is refused before anything is read or written."""
    sync = with_formula("lpad(name, CAST(staff AS INTEGER) * 1000000, 'x')")
    sync.read(world, ["A1", "1", 1])

    found = attempt(world, sync)

    assert found.job is None
    assert "source.schema.3.formula" in found.text
    assert "lpad" in found.text
    assert world.dataverse.requests == []


def with_formula(formula: str) -> Sync:
    """The accounts, with a calculated column in their description."""
    return ACCOUNT.but(
        columns={**ACCOUNT.columns, "made": {"type": "text", "formula": formula}},
        maps={**ACCOUNT.maps, "made": "description"},
        behaviour={},
    )


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Transport, "wait", lambda _self, _seconds, **_: None)
    hasty = functools.partial(EntraTokens, sleep=lambda _: None)
    monkeypatch.setattr("shared.wiring.connections.EntraTokens", hasty)


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"status": 503, "count": 1000}, ["503|available|no answer"]),
        ({"kind": "drop_before", "count": 1000}, ["no answer|reach|connection"]),
        ({"status": 403, "code": "0x80072560", "text": "The user is not a member of the organization.", "count": 1000},
         ["application user"]),
        ({"status": 401, "text": "", "count": 1000}, ["sign|token|credential|401"]),
        ({"status": 429, "code": "0x80072322", "headers": {"Retry-After": "0.01"}, "count": 1000}, ["pause", "429"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/api/", "/accounts?"])
def test_a_destination_that_does_not_answer_fails_the_job(
    begun: World, fault: dict[str, object], says: list[str], path: str
) -> None:
    """Outage, refusal and throttling without end: the job fails in words, and nothing is written."""
    begun.dataverse.inject({**fault, "path": path})

    found = attempt(begun, ACCOUNT)

    assert all(re.search(word, found.text, re.IGNORECASE) for word in says), found.text
    assert found.job is not None
    assert found.job.state is JobState.FAILED
    begun.dataverse.application.faults.clear()
    assert unharmed(begun)
    assert begun.run("story").state is JobState.SUCCEEDED


@pytest.mark.usefixtures("no_pauses")
def test_an_outage_in_the_midst_sets_nothing_aside(world: World) -> None:
    """What has no answer is no reject and no conflict: it counts as not attempted, and `apply` goes on with it."""
    records = [[f"A{number}", "x", number] for number in range(300)]
    world.dataverse.inject({"message": "CreateMultiple", "status": 503, "nth": 2, "count": 1000})

    job = ACCOUNT.run(world, *records)

    assert job.state is JobState.FAILED
    assert f"apply {job.id}" in (job.error or "")
    assert 0 < job.source.created == 300 - job.source.not_attempted
    assert rejects(world, job) == []
    world.dataverse.application.faults.clear()
    assert closes(world.apply(job)).source.created == 300


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("CLIENT_SECRET", "Zx81-not-this", ["client secret|client_secret"]),
        ("CLIENT_ID", "0d000000-0000-4000-8000-00000000ffff", ["client id|client_id|application"]),
        ("CLIENT_SECRET", None, ["story--client-secret"]),
    ],
)
def test_wrong_credentials_are_told_and_never_shown(
    begun: World, name: str, value: str | None, says: list[str]
) -> None:
    """The message names the secret and where to look, never a value."""
    key = f"DYNSYNC_SECRET_STORY__{name}"
    if value is None:
        del begun.environ[key]
    else:
        begun.environ[key] = value

    found = attempt(begun, ACCOUNT)

    assert all(re.search(word, found.text, re.IGNORECASE) for word in says), found.text
    assert name == "CLIENT_ID" or str(value) not in found.text
    assert found.job is None or found.job.state is JobState.FAILED
    assert unharmed(begun)


@pytest.mark.usefixtures("no_pauses")
def test_a_service_that_does_not_listen(world: World) -> None:
    """An address where nobody listens: the job fails and names the address."""
    begin(world)
    url = world.dataverse.url
    world.dataverse.stop()

    found = attempt(world, ACCOUNT)

    assert url.partition("/api")[0] in found.text
    assert "fault of the program" not in found.text


def test_variables_that_are_missing_or_unknown_are_told_at_once(world: World) -> None:
    """A start without a needed variable, or with one that is none, is refused; no job is made."""
    sync = ACCOUNT.but(source={"filter": "name = @who"}, rest={"variables": {"who": {}}})
    begin(world, sync)
    jobs = len(world.app.jobs())

    for given in ({}, {"who": "x", "what": "y"}, {"who": "x" * 30_000}):
        with pytest.raises(RefuseError, match=r"story.*cannot start"):
            world.run("story", variables=given)

    assert len(world.app.jobs()) == jobs


def test_a_broken_definition_takes_only_itself_out(world: World) -> None:
    """All problems of a broken file are listed with their places; another sync runs on."""
    begin(world)
    (world.folder / "syncs" / "broken.yaml").write_text("name: broken\nsource: 5\nextra: 1\n", encoding="utf-8")

    with pytest.raises(DefinitionError) as caught:
        world.run("broken")

    assert len(caught.value.problems) > 1
    assert world.run("story").state is JobState.SUCCEEDED


def test_secrets_of_another_sync_are_out_of_reach(begun: World) -> None:
    """A sync names its own secrets only."""
    rewrite(begun, "story--client-secret", "other--client-secret")
    begun.environ["DYNSYNC_SECRET_OTHER__CLIENT_SECRET"] = "s3cret"

    found = attempt(begun, ACCOUNT)

    assert "destination.client_secret" in found.text
    assert "story--" in found.text
    assert "s3cret" not in found.text
    assert unharmed(begun)


def test_a_host_that_the_operator_did_not_allow(world: World) -> None:
    """A destination outside the reach is refused; nobody is asked, and no secret leaves."""
    begin(world)
    rewrite(world, world.dataverse.url, "https://example.com/api/data/v9.2/")

    found = attempt(world, ACCOUNT)

    assert "example.com" in found.text
    assert "reach" in found.text
    assert world.dataverse.requests == []


@pytest.mark.parametrize(
    ("type_", "name", "content"),
    [
        ("json", "data.json", b'[{"no": "A1", "name": "Uno", "staff": 1}, {"no": "A2", "na'),
        ("json", "data.jsonl", b'{"no": "A1", "name": "Uno", "staff": 1}\n{"no": "A2", "na'),
        ("json", "data.json", b'{"rows": 5}'),
        ("parquet", "data.parquet", b"PAR1 and then nothing of the kind"),
        ("sql", "data.sqlite", b"SQLite format 3\0 and then nothing of the kind"),
    ],
)
def test_a_source_that_ends_half_way_fails_the_job_before_any_write(
    begun: World, type_: str, name: str, content: bytes
) -> None:
    """A truncated file is no file: the job fails and names it, and no row counts as dropped."""
    extra = {"dialect": "sqlite", "table": "accounts"} if type_ == "sql" else {}
    ACCOUNT.but(source={"type": type_, "path": name, **extra}).define(begun)
    begun.write(name, content)

    found = attempt(begun, ACCOUNT)

    assert name in found.text
    assert "fault of the program" not in found.text
    assert found.job is None or found.job.state is JobState.FAILED
    assert unharmed(begun)
