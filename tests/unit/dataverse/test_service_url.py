"""A service URL is normalised once; whatever is not the Web API of an environment is refused."""

from __future__ import annotations

import pytest

from shared.dataverse.service_url import parse_service_url
from shared.errors import DestinationError


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("https://org.crm4.dynamics.com", "https://org.crm4.dynamics.com/api/data/v9.2/"),
        ("https://ORG.crm4.dynamics.com/", "https://org.crm4.dynamics.com/api/data/v9.2/"),
        ("https://org.crm4.dynamics.com:443/api/data/", "https://org.crm4.dynamics.com/api/data/v9.2/"),
        ("https://org.api.crm4.dynamics.com/api/data/v9.1", "https://org.api.crm4.dynamics.com/api/data/v9.1/"),
        (" https://org.crm.dynamics.com/API/data/V9.0/ ", "https://org.crm.dynamics.com/api/data/v9.0/"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/api/data/v9.2/"),
        ("http://[::1]:8080", "http://[::1]:8080/api/data/v9.2/"),
        ("http://localhost", "http://localhost/api/data/v9.2/"),
    ],
)
def test_normal_forms(given, root):
    """Any form that people write leads to one root; a given version is kept."""
    assert parse_service_url(given).root == root


@pytest.mark.parametrize(
    "given",
    [
        "http://org.crm4.dynamics.com/",
        "org.crm4.dynamics.com",
        "https://org.crm4.dynamics.com/main.aspx?appid=1",
        "https://user:hunter2@org.crm4.dynamics.com/",
        "https://org.crm4.dynamics.com/api/data/v8.2/",
        "https://org.crm4.dynamics.com/api/data/v9.2/accounts",
        "https://org.crm4.dynamics.com/#x",
        "https://org:port/",
        "ftp://org/",
        "",
    ],
)
def test_refused(given):
    """The message says what to give, and repeats no password."""
    with pytest.raises(DestinationError, match=r"api/data|web address") as caught:
        parse_service_url(given)
    assert "hunter2" not in str(caught.value)
