"""What users may do, as the service tells it: their privileges, secured columns, plug-in steps, duplicate rules.

Everybody has every privilege, at the depth of the whole organization unless `depths` says less; a fault of the kind
`privilege` or `column_security` that is on takes one away, here as in the requests that it refuses.
Source: Microsoft Learn, "RetrieveUserPrivileges Function", "RetrievePrincipalAttributePrivileges Function",
"SdkMessageProcessingStep table", "SecurityPrivilegeMetadata".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from local.dataverse import refusals
from local.dataverse.faults.kinds import Fault, FaultKind
from local.dataverse.logic import Stage
from local.dataverse.logic.steps import MESSAGES
from local.dataverse.messages import Reply, Request, json_reply
from local.dataverse.metadata import asked
from local.dataverse.metadata.documents import table_privileges
from local.dataverse.metadata.labels import Document, identity
from local.dataverse.odata import options as query_options
from local.dataverse.refusals import Refusal
from local.dataverse.world import World

MISCELLANEOUS = (
    "prvActOnBehalfOfAnotherUser",
    "prvBypassCustomBusinessLogic",
    "prvBypassCustomPlugins",
    "prvWorkflowExecution",
    "prvOverrideCreatedOnCreatedBy",
)
"""Privileges that belong to no table."""
BUSINESS_UNIT = "0d000000-0000-4000-8000-0000000000b0"
_PUBLISHED = 2
_NOBODY = "00000000-0000-0000-0000-000000000000"
_USER = re.compile(r"systemusers\(([0-9a-fA-F-]{36})\)")
_NAMESPACE = "Microsoft.Dynamics.CRM."
_STAGES = {Stage.BEFORE: (20, 0), Stage.AFTER: (40, 0), Stage.LATER: (40, 1)}


class Rights:
    """The rights of an environment's users. `faults` are those that are on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.faults: Callable[[], Sequence[Fault]] = tuple
        self.depths: dict[str, str] = {}
        """Privileges that reach less than the whole organization, by name: `Basic`, `Local` or `Deep`."""
        self.duplicate_rules: dict[str, str] = {}
        """Published duplicate detection rules: the table of each, by the rule's name."""

    def secured(self) -> frozenset[tuple[str, str]]:
        """Table ('' = any) and name of every column that is secured."""
        return frozenset((fault.table, fault.column) for fault in self._of(FaultKind.COLUMN_SECURITY))

    def answer(self, segments: Sequence[str], request: Request) -> Reply | None:
        """The reply to a question about rights; None when it is none.

        Raises:
            Refusal: it is asked wrongly, or of nobody.
        """
        user = _USER.fullmatch(segments[0])
        if user is not None and len(segments) == 2:
            return self._of_user(user[1].lower(), segments[1], request)
        lists = {
            "privileges": (self._privileges, "privilegeid"),
            "sdkmessageprocessingsteps": (self._steps, "sdkmessageprocessingstepid"),
            "duplicaterules": (self._rules, "duplicateruleid"),
        }
        if len(segments) != 1 or segments[0] not in lists:
            return None
        listed, id_name = lists[segments[0]]
        if request.method != "GET":
            raise refusals.wrong_verb()
        found = asked.rows(listed(), query_options.read(request.query), id_name=id_name)
        context = f"{request.root}$metadata#{segments[0]}"
        return json_reply({"@odata.context": context, "value": found}, message="RetrieveMultiple", rows=len(found))

    def _of_user(self, user: str, segment: str, request: Request) -> Reply | None:
        asks = {"RetrieveUserPrivileges": self._held, "RetrievePrincipalAttributePrivileges": self._columns}
        name = segment.removeprefix(_NAMESPACE).removesuffix("()")
        if name not in asks or not segment.startswith(_NAMESPACE):
            return None
        if request.method != "GET":
            raise refusals.no_resource()
        if not self._world.store.all("SELECT 1 FROM systemuser WHERE systemuserid = ?", (user,)):
            raise Refusal(404, "0x80040217", f"systemuser With Id = {user} Does Not Exist")
        context = f"{request.root}$metadata#{_NAMESPACE}{name}Response"
        return json_reply({"@odata.context": context, **asks[name](user)}, message=name)

    def _held(self, user: str) -> Document:
        denied = {(fault.table, fault.privilege) for fault in self._of(FaultKind.PRIVILEGE)}
        held = []
        for table in self._world.tables.by_name.values():
            for one in table_privileges(table):
                kind = one["PrivilegeType"]
                if not denied & {("", ""), (table.name, ""), ("", kind), (table.name, kind)}:
                    held.append((one["Name"], one["PrivilegeId"]))
        for name in MISCELLANEOUS:
            if ("", name) not in denied:
                held.append((name, identity("privilege", name)))
        shared = {
            "BusinessUnitId": BUSINESS_UNIT,
            "RecordFilterId": _NOBODY,
            "RecordFilterUniqueName": "",
        }
        rows = [
            {"PrivilegeName": name, "PrivilegeId": key, "Depth": self.depths.get(str(name), "Global"), **shared}
            for name, key in held
        ]
        return {"RolePrivileges": rows}

    def _columns(self, user: str) -> Document:
        """Secured columns that the user may read or write: none, for a column is secured here only by a fault."""
        return {"AttributePrivileges": []}

    def _privileges(self) -> list[Document]:
        tables = self._world.tables.by_name.values()
        named = [(one["Name"], one["PrivilegeId"]) for table in tables for one in table_privileges(table)]
        named += [(name, identity("privilege", name)) for name in MISCELLANEOUS]
        return [{"privilegeid": key, "name": name} for name, key in named]

    def _rules(self) -> list[Document]:
        return [
            {
                "duplicateruleid": identity("duplicaterule", name),
                "name": name,
                "baseentityname": table,
                "statuscode": _PUBLISHED,
            }
            for name, table in self.duplicate_rules.items()
        ]

    def _steps(self) -> list[Document]:
        listed: list[Document] = []
        for number, step in enumerate(self._world.steps.registered, 1):
            stage, mode = _STAGES[step.stage]
            listed += [
                {
                    "sdkmessageprocessingstepid": step.listed_id(message),
                    "name": step.name,
                    "stage": stage,
                    "mode": mode,
                    "rank": number,
                    "statecode": 0,
                    "customizationlevel": 1,
                    "filteringattributes": ",".join(sorted(step.columns)) or None,
                    "sdkmessageid": {"name": message},
                    "sdkmessagefilterid": {"primaryobjecttypecode": step.table or None},
                }
                for message in ([step.message] if step.message else MESSAGES)
            ]
        return listed

    def _of(self, kind: FaultKind) -> list[Fault]:
        user = self._world.application
        return [fault for fault in self.faults() if fault.kind is kind and fault.user.lower() in ("", user)]
