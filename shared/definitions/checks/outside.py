"""Reach: hosts, folders, containers and secrets that the operator has not allowed. No secret's name is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from shared.definitions.checks.heard import heard
from shared.definitions.connection import DataverseConnection
from shared.definitions.part import Part, SecretRef
from shared.definitions.post_sync import HttpCall
from shared.definitions.reach import Reach, address
from shared.definitions.source import DataverseSource, FileSource, RestSource, SqlSource, path_kind
from shared.definitions.sync import SyncDefinition
from shared.values.problems import Problem
from shared.variables import names, render, template_pieces

_FILE = "the operator's reach file (syncs/reach.yaml)"


def check(
    definition: SyncDefinition, reach: Reach, *, local: bool, base: Path, meant: Sequence[str] = ()
) -> list[Problem]:
    """Problems with what lies outside the operator's reach. `meant`: the sync's names where its own is broken."""
    rules = (
        _secrets(definition, reach, meant),
        _services(definition, reach, local=local),
        _authorities(definition, reach, local=local),
        _source_call(definition, reach, local=local),
        _step_calls(definition, reach, local=local),
        _paths(definition, reach, local=local, base=base),
        _token(definition),
        _defaults(definition, reach, base),
    )
    return [problem for rule in rules for problem in heard(rule)]


def secrets_of(part: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every secret that a part of a definition names: the path, and the secret's name."""
    if isinstance(part, SecretRef):
        if part.stands("secret"):
            yield path, part.secret
    elif isinstance(part, Part):
        if isinstance(part, HttpCall) and part.stands("secret") and part.secret is not None:
            yield f"{path}.secret", part.secret
        for name, setting in type(part).model_fields.items():
            if part.stands(name):
                yield from secrets_of(getattr(part, name), f"{path}.{setting.alias or name}".lstrip("."))
    elif isinstance(part, tuple):
        for number, item in enumerate(part):
            yield from secrets_of(item, f"{path}.{number}")
    elif isinstance(part, dict):
        for name, item in part.items():
            yield from secrets_of(item, f"{path}.{name}")


def _secrets(definition: SyncDefinition, reach: Reach, meant: Sequence[str]) -> Iterator[Problem]:
    syncs = meant if meant and not definition.stands("name") else (definition.name,)
    for path, name in secrets_of(definition):
        if not any(reach.allows_secret(sync, name) for sync in syncs):
            yield Problem(
                path,
                "this sync may not name that secret (its name is not shown, for it may be a secret itself)",
                f"name one that begins with {syncs[0]}--, or let {_FILE} allow it under secrets",
            )


def _environments(definition: SyncDefinition) -> Iterator[tuple[str, DataverseConnection]]:
    """Destination, and source where it is a Dataverse table; those that can be read."""
    if definition.stands("destination"):
        yield "destination", definition.destination
    if definition.stands("source") and isinstance(definition.source, DataverseSource):
        yield "source", definition.source


def _services(definition: SyncDefinition, reach: Reach, *, local: bool) -> Iterator[Problem]:
    for path, part in _environments(definition):
        if part.stands("service_url") and not reach.allows_destination(part.service_url, local=local):
            yield _host(f"{path}.service_url", part.service_url, "destinations")


def _authorities(definition: SyncDefinition, reach: Reach, *, local: bool) -> Iterator[Problem]:
    for path, part in _environments(definition):
        authority = part.authority if part.stands("authority") else None
        if authority is not None and not reach.allows_authority(authority, local=local):
            yield _host(f"{path}.authority", authority, "authorities")


def _host(path: str, url: str, kind: str) -> Problem:
    found = address(url)
    if found is None:
        return Problem(
            path,
            "the URL is not a plain one",
            "write https://host/path, without user name, blanks or variables in the host",
        )
    return Problem(
        path,
        f"{found.scheme}://{found.host} is outside the operator's reach",
        f"use https, and let {_FILE} name the host under {kind}",
    )


def _plain_url(template: str) -> str:
    """The URL with a mark for every variable; a variable in the host makes it no plain URL."""
    scheme, _, rest = template.partition("://")
    host, slash, tail = rest.partition("/")
    if names(template_pieces(host)) or "@" in host:
        return ""
    return f"{scheme}://{host}{slash}{render(template_pieces(tail), lambda _name: '0')}"


def _step_calls(definition: SyncDefinition, reach: Reach, *, local: bool) -> Iterator[Problem]:
    for number, step in enumerate(definition.post_sync):
        http = step.http if step.stands("http") else None
        if http is not None and http.stands("url"):
            yield from _call(f"post_sync.{number}.http.url", http.url, reach, local=local)


def _source_call(definition: SyncDefinition, reach: Reach, *, local: bool) -> Iterator[Problem]:
    if isinstance(definition.source, RestSource):
        yield from _call("source.url", definition.source.url, reach, local=local)


def _call(path: str, url: str, reach: Reach, *, local: bool) -> Iterator[Problem]:
    plain = _plain_url(url)
    if not reach.allows_outbound(plain, local=local):
        yield _host(path, plain, "outbound")


def _inside(path: str, reach: Reach, base: Path) -> bool:
    return "://" not in path and reach.allows_path(base / path)


def _defaults(definition: SyncDefinition, reach: Reach, base: Path) -> Iterator[Problem]:
    """The file that a file variable falls back to is the definition's choice, so it must lie within reach."""
    for name, variable in definition.variables.items():
        known = variable.stands("file") and variable.stands("default")
        if known and variable.file and variable.default is not None and not _inside(variable.default, reach, base):
            yield Problem(
                f"variables.{name}.default",
                f"the file {variable.default[:200]!r} is not in a folder that may be read",
                f"let {_FILE} name its folder under folders, or leave the default out",
            )


def _token(definition: SyncDefinition) -> Iterator[Problem]:
    """A path that begins with a variable may turn out to be one of storage."""
    source = definition.source
    if not isinstance(source, FileSource) or source.sas is None or path_kind(source.path) != "local":
        return
    if not template_pieces(source.path)[0].variable:
        yield Problem(
            "source.sas", "a local path is read without a token", "remove it, or name a path at https:// or blob://"
        )


def _paths(definition: SyncDefinition, reach: Reach, *, local: bool, base: Path) -> Iterator[Problem]:
    """A path with variables is checked again when their values are known."""
    source = definition.source
    template = source.path if isinstance(source, FileSource | SqlSource) else None
    if template is None:
        return
    kind, pieces = path_kind(template), template_pieces(template)
    plain = "".join(piece.text for piece in pieces)
    if kind == "https":
        if not reach.allows_blob(_plain_url(template)) and not reach.allows_outbound(_plain_url(template), local=local):
            yield _host("source.path", _plain_url(template), "outbound or containers")
    elif kind == "blob":
        if not names(pieces) and not reach.allows_blob(plain):
            yield Problem("source.path", "the container is outside the operator's reach", f"let {_FILE} name it")
    elif not names(pieces) and not _inside(plain, reach, base):
        yield Problem(
            "source.path",
            f"the file {plain!r} is not in a folder that may be read",
            f"let {_FILE} name its folder under folders, or hand the file over with a file variable",
        )
