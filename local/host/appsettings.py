"""The app's settings: `local.settings.json` under the environment, as the Core Tools take them.

Source: Microsoft Learn, "Code and test Azure Functions locally" (2025), section on the local settings file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from local.host.refusals import HostError

FILE = "local.settings.json"
_NAMED = re.compile(r"%([^%\s]+)%")


def read(path: Path) -> dict[str, str]:
    """The `Values` of a file of local settings; empty without the file.

    Raises:
        HostError: it is no JSON object of texts, or encrypted.
    """
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise HostError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise HostError(f"{path} is no JSON: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("Values", {}), dict):
        raise HostError(f'{path} must be an object whose "Values" is an object of settings')
    if document.get("IsEncrypted"):
        raise HostError(f"{path} is encrypted; the local host reads plain ones: run `func settings decrypt`")
    return dict(_texts(path, document.get("Values", {})))


def _texts(path: Path, values: Mapping[str, object]) -> Mapping[str, str]:
    wrong = sorted(name for name, value in values.items() if not isinstance(value, str))
    if wrong:
        raise HostError(f"{path}: {', '.join(wrong)} must be text; put the value between quotes")
    return {name: str(value) for name, value in values.items()}


def resolved(text: str, environ: Mapping[str, str], *, where: str) -> str:
    """A binding's text with every `%NAME%` replaced by that setting.

    Raises:
        HostError: a setting is not there.
    """

    def setting(found: re.Match[str]) -> str:
        if found[1] not in environ:
            raise HostError(f"{where} names the setting {found[1]}, which is not set; add it to {FILE}")
        return environ[found[1]]

    return _NAMED.sub(setting, text)
