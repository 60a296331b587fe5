"""`init`: a definition that is valid, commented, and never written over another one unasked."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from shared.cli.draft import Draft, flow, render, scalar
from shared.cli.looking import SourceLook, look_into
from shared.cli.proposals import Match, Proposal, guess, propose, propose_key
from shared.definitions.loading import load_sync, parse_sync
from shared.definitions.reach import load_reach
from shared.definitions.source import DelimitedSource, SqlSource
from tests.unit.cli import cases
from tests.unit.cli.cases import ACCOUNT, LOOK, MadeUpApp, call, column


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a source file."""
    (tmp_path / "Customers 2025.csv").write_text("x\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


BASIC = ["init", "--source", "Customers 2025.csv", "--entity", "account"]


def test_defaults_make_a_valid_definition(folder: Path) -> None:
    """--yes asks nothing; what comes out is read back as a definition that says what was proposed."""
    app = MadeUpApp()
    result = call(app, *BASIC, "--yes")
    assert result.exit_code == 0, result.stderr
    sync = load_sync(folder / "syncs" / "customers-2025.yaml")
    assert isinstance(sync.source, DelimitedSource)
    assert (sync.source.path, sync.source.delimiter) == ("Customers 2025.csv", ";")
    assert [(one.source, one.target) for one in sync.mappings] == [
        ("accountnumber", "accountnumber"),
        ("Credit Limit", "creditlimit"),
        ("openedon", "new_openedon"),
        ("telephone", "telephone1"),
    ]
    assert sync.behaviour.key == ("accountnumber",)
    assert sync.destination.id_column == "accountid"
    assert sync.destination.currency == "EUR"
    assert "DYNSYNC_SECRET_CUSTOMERS_2025__CLIENT_SECRET" in result.stdout
    ((_, asked),) = app.asked
    assert asked["client_id"] == {"secret": "customers-2025--client-id"}


def test_the_first_rows_of_the_source_are_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With about how many there are; what a cell holds cannot steer the terminal, and `--json` stays JSON."""
    rows = tuple((f"00{number}", "\x1b[31mx", None, "+31", *[""] * (len(LOOK.columns) - 4)) for number in range(3))
    monkeypatch.setattr(cases, "LOOK", replace(LOOK, rows=rows, about=12_000))
    said = call(MadeUpApp(), *BASIC, "--yes").stderr
    assert "Customers 2025.csv: about 12,000 rows; the first ones:" in said
    assert "002" in said
    assert "\x1b" not in said
    assert "first ones" not in call(MadeUpApp(), *BASIC, "--yes", "--force", "--json").output


def test_what_fills_a_text_is_read_as_text(folder: Path) -> None:
    """A code that looks like a number keeps its leading zeros; dates keep their format."""
    call(MadeUpApp(), *BASIC, "--yes")
    types = {
        one.name: (one.type, one.input_format) for one in load_sync(folder / "syncs/customers-2025.yaml").source.columns
    }
    assert types["accountnumber"] == ("text", None)
    assert types["Credit Limit"] == ("number", None)
    assert types["openedon"] == ("date", "%d/%m/%Y")


def test_the_file_explains_itself(folder: Path) -> None:
    """Lookups and unused columns are there as comments, guesses are marked."""
    call(MadeUpApp(), *BASIC, "--yes")
    text = (folder / "syncs" / "customers-2025.yaml").read_text(encoding="utf-8")
    assert "# - { source: parentaccountid, target: parentaccountid, link: { entity: account, column: name } }" in text
    assert '# not mapped: "shoe: size", createdon' in text
    assert "target: telephone1 }  # similar name: please check" in text
    assert "target: accountnumber }\n" in text
    assert '"%d/%m/%Y" }  # day or month\\nfirst?' in text
    assert "looks like a number" not in text, "it is read as text now"


def test_answers_come_from_the_person(folder: Path) -> None:
    """Without options everything is asked, on stderr; standard output stays for the result."""
    answers = "\n".join(
        (
            *("Customers 2025.csv", "my-sync", "account", "https://org.crm4.dynamics.com", "my-sync--id"),
            *(
                "my-sync--pw",
                "n",
                "accountnumber",
                "-",
                "new_openedon",
                "name",
                "-",
                "-",
                "-",
                "accountnumber, name",
                "",
            ),
        )
    )
    result = call(MadeUpApp(), "init", "--json", answers=answers)
    assert result.exit_code == 0, result.stderr
    said = json.loads(result.stdout)
    assert (said["sync"], said["key"]) == ("my-sync", ["accountnumber", "name"])
    assert said["set"] == ["DYNSYNC_SECRET_MY_SYNC__ID", "DYNSYNC_SECRET_MY_SYNC__PW"]
    sync = load_sync(folder / "syncs" / "my-sync.yaml")
    assert [(one.source, one.target) for one in sync.mappings][-1] == ("telephone", "name")


def test_a_column_without_a_proposal_is_asked_for_too(folder: Path) -> None:
    """Headers in another language meet no proposal: they are shown as not mapped, and `n` asks for each."""
    answers = ("", "", "", "n", "", "-", "", "-", "-", "Telefone1", "telephone1", "-", "")
    result = call(MadeUpApp(), *BASIC, "mine", answers="\n".join((*answers, "")))
    assert result.exit_code == 0, result.stderr
    assert "shoe: size       -                not mapped" in result.stderr
    assert "did you mean telephone1" in result.stderr
    pairs = [(one.source, one.target) for one in load_sync(folder / "syncs" / "mine.yaml").mappings]
    assert ("shoe: size", "telephone1") in pairs


def test_a_wrong_answer_is_asked_for_again(folder: Path) -> None:
    """A slip costs one answer, not all of them, and a typed secret is not repeated."""
    answers = (
        *("nope.csv", ".", "Customers 2025.csv", "My Sync", "my-sync", "", "ftp://x:hunter2@y", "", "pa$$word", "", ""),
        *("n", "", "accountnumber", "creditlimit", *["-"] * 5, "nope", "accountnumber", "EURO", "EUR"),
    )
    result = call(MadeUpApp(), "init", answers="\n".join((*answers, "")))
    assert result.exit_code == 0, result.stderr
    for said in (
        *("nope.csv does not exist", ". is a folder", "'My Sync' is no name", "this is no address of an environment"),
        *("this is no name of a secret", "accountnumber is mapped already", "key 'nope': name mapped target columns"),
        *("'EURO' is no currency code",),
    ):
        assert f"Error: {said}" in result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert not any("hunter2" in line or "pa$$word" in line for line in errors)
    assert load_sync(folder / "syncs" / "my-sync.yaml").behaviour.key == ("accountnumber",)


def test_answers_that_end_too_early_are_said(folder: Path) -> None:
    """Standard input may be closed: a script learns what to do, and nothing is written."""
    result = call(MadeUpApp(), *BASIC, answers="\n")
    assert result.exit_code == 1
    assert "the answers ended here and nothing was written; give them as options, or --yes" in result.stderr
    assert not (folder / "syncs").exists()


def test_guessed_names_lose_accents_and_no_letters() -> None:
    """A logical name is plain; what can be written plainly is."""
    assert [one.target for one in guess(["Übergeordnet", "Gegründet am", "Größe"])] == [
        "ubergeordnet",
        "gegrundet_am",
        "grosse",
    ]


def test_nothing_is_written_over_unasked(folder: Path) -> None:
    """--yes leaves an existing file as it is; a person is asked; --force is an answer."""
    target = folder / "syncs" / "customers-2025.yaml"
    target.parent.mkdir()
    target.write_text("mine", encoding="utf-8")
    refused = call(MadeUpApp(), *BASIC, "--yes")
    assert (refused.exit_code, target.read_text(encoding="utf-8")) == (1, "mine")
    assert "left as it is" in refused.stderr
    assert call(MadeUpApp(), *BASIC, answers="\nn\n").exit_code == 1
    assert target.read_text(encoding="utf-8") == "mine"
    assert call(MadeUpApp(), *BASIC, "--yes", "--force").exit_code == 0
    assert load_sync(target).name == "customers-2025"


def test_without_the_table_names_are_guessed_and_it_is_said(folder: Path) -> None:
    """A destination that cannot be reached does not stop the first draft."""
    result = call(MadeUpApp(reachable=False), *BASIC, "--yes")
    assert result.exit_code == 0, result.stderr
    assert "nobody answers at 127.0.0.1:8765" in result.stderr
    sync = load_sync(folder / "syncs" / "customers-2025.yaml")
    assert ("shoe: size", "shoe_size") in [(one.source, one.target) for one in sync.mappings]


def test_a_table_that_does_not_exist_is_asked_for_again(folder: Path) -> None:
    """Nothing is guessed where the service has answered; the nearest names are said, also for a table by option."""
    app = MadeUpApp(tables=("account",))
    answers = ("mine", "", "", "", "acount", "account", "", "", "")
    result = call(app, "init", "--source", "Customers 2025.csv", "--entity", "acct", answers="\n".join((*answers, "")))
    assert result.exit_code == 0, result.stderr
    assert "Error: the environment has no table 'acct'; did you mean account?" in result.stderr
    assert [asked["entity"] for _, asked in app.asked] == ["acct", "acount", "account"]
    assert load_sync(folder / "syncs" / "mine.yaml").destination.entity == "account"


@pytest.mark.parametrize("more", [["--yes"], []])
def test_a_table_that_does_not_exist_ends_init_where_nobody_can_be_asked(folder: Path, more: list[str]) -> None:
    """With --yes, or when the answers have ended: exit code 1, the nearest names, and nothing is written."""
    words = ("init", "mine", "--source", "Customers 2025.csv", "--entity", "acct", *more)
    result = call(MadeUpApp(tables=("account",)), *words, answers="\n\n\n")
    assert result.exit_code == 1
    assert "Error: the environment has no table 'acct'; did you mean account?" in result.stderr
    assert "--yes takes defaults" not in result.stderr
    assert not (folder / "syncs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--map", "nope=name"], "SOURCE one of accountnumber"),
        (["--map", "telephone=createdon"], "no column 'createdon' that may be written"),
        (["--map", "telephone=telefone1"], "did you mean telephone1"),
        (["--key", "name"], "name mapped target columns only: accountnumber"),
        (["--name-with-typo"], "No such option"),
        (["Not A Name"], "is no name for a sync"),
        (["--service-url", "ftp://x"], "no address of an environment; write one such as https://org.crm4.dynamics.com"),
        (
            ["--client-secret-secret", "pa$$word"],
            "no name of a secret (letters, digits and hyphens); write the name, never the value",
        ),
    ],
)
def test_a_wrong_answer_is_said(folder: Path, words: list[str], said: str) -> None:
    """Nothing is written."""
    result = call(MadeUpApp(), *BASIC, "--yes", *words)
    assert result.exit_code == 1
    assert said in result.stderr
    assert list((folder / "syncs").glob("[!r]*.yaml")) == []


def test_the_sources_folder_is_allowed_where_nothing_is_yet(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A first reach file is written, so that the definition passes `check`, under the path it looks for."""
    outside = tmp_path_factory.mktemp("in") / "x.csv"
    outside.write_text("a\n", encoding="utf-8")
    call(MadeUpApp(), "init", "--source", str(outside), "--entity", "account", "--yes")
    source = load_sync(folder / "syncs" / "x.yaml").source
    assert isinstance(source, DelimitedSource)
    assert source.path == outside.as_posix()
    assert load_reach(folder / "syncs" / "reach.yaml").allows_path(outside)
    assert not load_reach(folder / "syncs" / "reach.yaml").allows_path(folder / "other.csv")


def test_files_beside_the_definitions_need_no_entry(folder: Path) -> None:
    """On one's own machine what lies below the folder of the definitions' folder may be read."""
    result = call(MadeUpApp(), *BASIC, "--yes")
    assert not (folder / "syncs" / "reach.yaml").exists()
    assert "may not read" not in result.stderr


def test_an_existing_reach_file_is_never_changed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """It is the operator's; what to add is said."""
    reach = folder / "syncs" / "reach.yaml"
    reach.parent.mkdir()
    reach.write_text("folders: [elsewhere]\n", encoding="utf-8")
    outside = tmp_path_factory.mktemp("in") / "x.csv"
    outside.write_text("a\n", encoding="utf-8")
    result = call(MadeUpApp(), "init", "--source", str(outside), "--entity", "account", "--yes")
    assert reach.read_text(encoding="utf-8") == "folders: [elsewhere]\n"
    assert f"Definitions may not read {outside.parent} yet" in result.stderr


def test_a_local_destination_gives_out_its_own_tokens(folder: Path) -> None:
    """The authority is stated for this machine and for nothing else."""
    call(MadeUpApp(), *BASIC, "--yes", "--service-url", "http://localhost:9/api/data/v9.2")
    assert load_sync(folder / "syncs/customers-2025.yaml").destination.authority == "http://localhost:9"
    call(MadeUpApp(), *BASIC, "--yes", "--force", "--service-url", "https://org.crm4.dynamics.com")
    assert load_sync(folder / "syncs/customers-2025.yaml").destination.authority is None


def test_stated_mappings_replace_proposals(folder: Path) -> None:
    """--map takes a target from whoever had it; an empty target leaves a column out."""
    call(MadeUpApp(), *BASIC, "--yes", "--map", "shoe: size=telephone1", "--map", "openedon=")
    sync = load_sync(folder / "syncs" / "customers-2025.yaml")
    assert [(one.source, one.target) for one in sync.mappings] == [
        ("accountnumber", "accountnumber"),
        ("Credit Limit", "creditlimit"),
        ("shoe: size", "telephone1"),
    ]


def test_a_file_is_looked_into(tmp_path: Path) -> None:
    """What stands in a real file becomes a source that reads it."""
    path = tmp_path / "x.csv"
    path.write_text("no;name;size;born\n001;Zoë;1.5;2001-02-03\n002;Ann;2;2001-02-04\n", encoding="utf-8")
    look = look_into(path)
    assert look.settings == {"type": "delimited", "delimiter": ";", "encoding": "utf-8"}
    assert [(one["name"], one["type"], one.get("validate")) for one in look.columns] == [
        ("no", "text", None),
        ("name", "text", None),
        ("size", "number", True),
        ("born", "date", True),
    ]


@pytest.mark.parametrize(
    ("name", "content", "settings"),
    [
        ("x.json", '{"items": [{"a": 1}]}', {"type": "json", "records": "items"}),
        ("x.jsonl", '{"a": 1}\n{"a": 2}\n', {"type": "json"}),
    ],
)
def test_json_is_looked_into(tmp_path: Path, name: str, content: str, settings: dict[str, object]) -> None:
    """Lists and lines."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert look_into(tmp_path / name).settings == settings


def test_a_database_is_looked_into(tmp_path: Path) -> None:
    """A SQLite file is a SQL source with its first table."""
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.execute("CREATE TABLE customers (no TEXT, size INTEGER)")
        connection.execute("INSERT INTO customers VALUES ('a', 1)")
        connection.commit()
    assert look_into(tmp_path / "x.db").settings == {"type": "sql", "dialect": "sqlite", "table": "customers"}


def test_names_are_matched_in_three_rounds() -> None:
    """Equal before alike before similar; each destination column once; what may not be written never."""
    found = propose(dict.fromkeys(["NAME", "name", "ACCOUNT_NUMBER", "telephon1", "createdon", "zzz"], "text"), ACCOUNT)
    assert [(one.source, one.target, one.match) for one in found] == [
        ("name", "name", Match.EXACT),
        ("ACCOUNT_NUMBER", "accountnumber", Match.NORMALISED),
        ("telephon1", "telephone1", Match.NEAREST),
    ]


def test_words_are_near_too() -> None:
    """`phone` is in `Main Phone`; the one column that sounds like a key meets the alternate key."""
    found = propose(dict.fromkeys(["customerNo", "phone", "legal_name", "credit", "shoe size"], "text"), ACCOUNT)
    assert [(one.source, one.target, one.match) for one in found] == [
        ("customerNo", "accountnumber", Match.KEY),
        ("phone", "telephone1", Match.NEAREST),
        ("legal_name", "name", Match.NAME),
        ("credit", "creditlimit", Match.NEAREST),
    ]
    two = dict.fromkeys(["order no", "customer no"], "text")
    assert propose(two, ACCOUNT) == [], "two that sound like a key: nobody can tell"


def test_types_must_fit() -> None:
    """A date is not proposed for money, however near its name; an equal name is believed."""
    assert propose({"credit_limit": "date"}, ACCOUNT) == []
    assert [one.target for one in propose({"creditlimit": "date"}, ACCOUNT)] == ["creditlimit"]
    assert [one.target for one in propose({"credit_limit": "number"}, ACCOUNT)] == ["creditlimit"]


def test_a_key_is_proposed() -> None:
    """A mapped alternate key, else a name that tells; never a column that only happens to be there."""
    proposals = [Proposal(name, name, Match.EXACT, column(name)) for name in ("name", "accountnumber")]
    assert propose_key(proposals, ACCOUNT) == ["accountnumber"]
    assert propose_key(guess(["Title", "customer_no"]), None) == ["customer_no"]
    assert propose_key(guess(["Title"]), None) == []
    assert propose_key([], None) == []


@given(st.text())
def test_any_text_is_a_safe_scalar(text: str) -> None:
    """Whatever a header or a path holds, YAML reads back that text, and nothing else begins."""
    assert YAML(typ="safe").load(f"a: {scalar(text)}  # end") == {"a": text}


@pytest.mark.parametrize("value", [True, None, 3, 1.5, "no", "1.0", "a b", {"x": [1, "y"]}])
def test_flow_means_what_it_says(value: object) -> None:
    """Types survive."""
    assert YAML(typ="safe").load(f"a: {flow(value)}") == {"a": value}


def test_hostile_columns_stay_columns() -> None:
    """A header full of YAML is a header."""
    names = ["a: b", "- c", "#d", "{e", "f}", '"g', "h'", "@i", "true", "1", " j ", "k\\", "ü"]
    draft = Draft(
        name="my-sync",
        path="in/@file.csv",
        look=SourceLook(LOOK.settings, tuple({"name": name, "type": "text"} for name in names)),
        connection={
            "entity": "account",
            "service_url": "https://org.crm4.dynamics.com",
            "client_id": {"secret": "my-sync--id"},
            "client_secret": {"secret": "my-sync--pw"},
        },
        id_column="accountid",
        mappings=tuple(Proposal(name, f"new_c{n}", Match.STATED) for n, name in enumerate(names)),
        key=("new_c0",),
    )
    sync = parse_sync(render(draft), name="my-sync")
    assert list(sync.source.labels) == names
    assert [one.source for one in sync.mappings] == names


def test_a_lookup_is_left_to_the_person_and_it_is_said(folder: Path) -> None:
    """It stands in the file as a comment, also where it was stated."""
    result = call(MadeUpApp(), *BASIC, "--yes", "--map", "parentaccountid=parentaccountid")
    assert "parentaccountid is a lookup: say by which column its row is found" in result.stdout


def test_without_a_key_the_option_is_named(folder: Path) -> None:
    """--yes cannot guess what does harm when it is wrong."""
    result = call(MadeUpApp(), *BASIC, "--yes", "--map", "accountnumber=", "--map", "telephone=name")
    assert (result.exit_code, "give --key" in result.stderr) == (1, True)


def test_a_table_of_a_database_is_looked_at(folder: Path) -> None:
    """Its own types are taken over, ten rows are shown, and the secret is named, never asked for."""
    app = MadeUpApp()
    database = ["--database", "postgresql", "--table", "sales.customers", "--entity", "account", "--yes"]
    result = call(app, "init", "from-erp", *database)
    assert result.exit_code == 0, result.stderr
    sync = load_sync(folder / "syncs" / "from-erp.yaml")
    assert isinstance(sync.source, SqlSource)
    assert (sync.source.dialect, sync.source.table, sync.source.path) == ("postgresql", "sales.customers", None)
    assert sync.source.connection is not None
    assert sync.source.connection.secret == "from-erp--source"
    assert {one.name: one.type for one in sync.source.columns} == {
        "accountnumber": "text", "Credit Limit": "number", "openedon": "date", "done": "bool",
    }  # fmt: skip
    assert "about 25,000 rows" in result.stderr
    where = {"type": "sql", "dialect": "postgresql", "table": "sales.customers"}
    assert app.asked[0] == ("sample", {**where, "connection": {"secret": "from-erp--source"}})
