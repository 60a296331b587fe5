from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.definitions.reach import Reach, address, blob_container, load_reach
from shared.errors import DefinitionError

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "url",
    [
        "https://org.crm4.dynamics.com",
        "https://ORG.crm4.Dynamics.com/api/data/v9.2/",
        "https://org.crm.dynamics.cn/",
        "https://org.crm.microsoftdynamics.us/",
        "https://org.crm.appsplatform.us/",
        "https://org.crm4.dynamics.com./api",
    ],
)
def test_the_dynamics_clouds_are_destinations(url: str) -> None:
    """The default needs no reach file."""
    assert Reach().allows_destination(url, local=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://org.crm4.dynamics.com",
        "https://dynamics.com",
        "https://evildynamics.com",
        "https://org.dynamics.com.example.net",
        "https://org.crm4.dynamics.com@example.net",
        "https://example.net\\@org.crm4.dynamics.com",
        "https://example.net#@org.crm4.dynamics.com",
        "https://example.net?.dynamics.com",
        "https://org.crm4.dynamics.com:99999",
        "https://[::1",
        "https://org .dynamics.com",
        "https://org.crm4.dynamics.com\n.example.net",
        "ftp://org.crm4.dynamics.com",
        "https://",
        "org.crm4.dynamics.com",
        "https://орг.dynamics.com",
        "http://127.0.0.1:8080",
        "http://localhost",
    ],
)
def test_nothing_else_is_a_destination(url: str) -> None:
    """Whatever tricks a URL plays, only the host that is really called counts."""
    assert not Reach().allows_destination(url, local=False)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/api", "http://localhost:1", "https://[::1]:2/"])
def test_loopback_is_a_destination_on_a_developers_machine(url: str) -> None:
    """The local Dataverse needs no entry."""
    assert Reach().allows_destination(url, local=True)
    assert not Reach().allows_destination("http://10.0.0.1/", local=True)


def test_nothing_goes_out_by_default() -> None:
    """Sources and post-sync steps call only hosts that the operator named, over https."""
    assert not Reach().allows_outbound("https://example.com/", local=False)
    named = Reach(outbound=("example.com", "*.hooks.example.com"))
    assert named.allows_outbound("https://example.com/x?y=1", local=False)
    assert named.allows_outbound("https://a.b.hooks.example.com/", local=False)
    assert not named.allows_outbound("https://hooks.example.com/", local=False)
    assert not named.allows_outbound("http://example.com/", local=False)


def test_client_secrets_go_to_known_authorities() -> None:
    """An authority of somebody's own must be named by the operator."""
    assert Reach().allows_authority("https://login.microsoftonline.com/tenant/oauth2/v2.0/token")
    assert not Reach().allows_authority("https://login.microsoftonline.com.example.net/tenant")
    assert not Reach().allows_authority("http://127.0.0.1:9/")
    assert Reach().allows_authority("http://127.0.0.1:9/", local=True)
    assert Reach(authorities=("login.example.com",)).allows_authority("https://login.example.com/x")


def test_a_sync_names_its_own_secrets() -> None:
    """`<sync>--*`, in any case, and what the operator adds for this sync alone."""
    reach = Reach(secrets={"orders": ("shared--tenant", "erp--*")})
    assert reach.allows_secret("orders", "orders--client-secret")
    assert reach.allows_secret("orders", "ORDERS--Client-Secret")
    assert reach.allows_secret("orders", "shared--tenant")
    assert reach.allows_secret("orders", "erp--x")
    assert not reach.allows_secret("orders", "erp--")
    assert not reach.allows_secret("orders", "shared--tenant-2")
    assert not reach.allows_secret("order", "orders--client-secret")
    assert not reach.allows_secret("accounts", "shared--tenant")


def test_files_come_from_allowed_folders_only(tmp_path: Path) -> None:
    """`..` and symbolic links lead nowhere else."""
    inbox, outside = tmp_path / "inbox", tmp_path / "outside"
    inbox.mkdir()
    outside.mkdir()
    (outside / "secret.csv").write_text("x")
    (inbox / "link.csv").symlink_to(outside / "secret.csv")
    reach = Reach(folders=(str(inbox),))
    assert reach.allows_path(inbox / "a.csv")
    assert reach.allows_path(inbox / "sub" / ".." / "a.csv")
    assert not reach.allows_path(inbox / ".." / "outside" / "secret.csv")
    assert not reach.allows_path(inbox / "link.csv")
    assert not reach.allows_path(f"{inbox}-other/a.csv")
    assert not reach.allows_path("bad\0name")
    assert not Reach(folders=("/",)).allows_path("s3://bucket/a.csv")
    assert not Reach().allows_path(inbox / "a.csv")


@pytest.mark.parametrize(
    ("url", "container"),
    [
        ("blob://incoming/a/b.csv", "incoming"),
        ("https://erp.blob.core.windows.net/incoming/a.csv?sig=x", "erp/incoming"),
        ("https://erp.blob.core.windows.net/../payroll/a.csv", None),
        ("https://erp.blob.core.windows.net/incoming/%2E%2e/payroll/a.csv", None),
        ("https://erp.blob.core.windows.net.example.net/incoming/a.csv", None),
        ("https://a.b.blob.core.windows.net/incoming/a.csv", None),
        ("http://erp.blob.core.windows.net/incoming/a.csv", None),
        ("blob://incoming/../payroll/a.csv", None),
        ("blob://", None),
        ("/incoming/a.csv", None),
    ],
)
def test_which_container_an_address_means(url: str, container: str | None) -> None:
    """The container that the HTTP client will really ask for."""
    assert blob_container(url) == container


def test_a_missing_file_means_the_strict_defaults(tmp_path: Path) -> None:
    """Forgetting the file opens nothing; the sample in the repository opens nothing either."""
    assert load_reach(tmp_path / "reach.yaml") == Reach()
    assert load_reach(ROOT / "syncs" / "reach.yaml") == Reach()


def test_folders_are_relative_to_the_reach_file(tmp_path: Path) -> None:
    """The same file means the same folders wherever a command is started."""
    (tmp_path / "syncs").mkdir()
    (tmp_path / "syncs" / "reach.yaml").write_text("folders: [../inbox]\n")
    assert load_reach(tmp_path / "syncs" / "reach.yaml").allows_path(tmp_path / "inbox" / "a.csv")


def test_a_broken_reach_file_stops_everything_with_all_its_problems(tmp_path: Path) -> None:
    """An operator's slip never falls back to something wider."""
    file = tmp_path / "reach.yaml"
    file.write_text('outbound: ["*", "https://example.com", "*.com"]\nfolder: [x]\nsecrets: { a: ["*"] }\n')
    with pytest.raises(DefinitionError) as caught:
        load_reach(file)
    assert {problem.path for problem in caught.value.problems} >= {"outbound.0", "outbound.1", "outbound.2", "folder"}


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_none(text: str) -> None:
    """No text brings the decision down, and what is taken for an address is plain ASCII."""
    found = address("https://" + text)
    assert found is None or (found.host.isascii() and "@" not in found.host and "\\" not in found.host)
    assert Reach().allows_path(text) is False
    assert Reach(containers=("incoming",)).allows_blob(text) is False


def test_all_problems_of_a_reach_file_come_in_one_answer(tmp_path: Path) -> None:
    """An unknown key, broken items of lists and a repeated key, each once and with its line; nothing more."""
    lines = ["destination: [a.example.com]", "outbound: [7, 'no host']", "folders: {}", "secrets:", "  Base: [a]"]
    (tmp_path / "reach.yaml").write_text("\n".join([*lines, "  erp: [1]", "folders: [in]"]), encoding="utf-8")
    with pytest.raises(DefinitionError) as refused:
        load_reach(tmp_path / "reach.yaml")
    assert [(problem.path, problem.found.rpartition("line ")[2].rstrip(")")) for problem in refused.value.problems] == [
        ("", "3"),
        ("outbound.0", "2"),
        ("outbound.1", "2"),
        ("secrets", "4"),
        ("secrets.erp.0", "6"),
        ("destination", "1"),
    ]
