"""The metadata of the Web API: the service document, `$metadata`, the definitions, and the probe for bulk messages."""

from __future__ import annotations

from collections.abc import Callable

from local.dataverse import refusals
from local.dataverse.messages import Reply, Request, json_reply
from local.dataverse.metadata import asked, csdl, reading
from local.dataverse.metadata.actions import Actions
from local.dataverse.metadata.catalogue import Catalogue
from local.dataverse.metadata.changing import Changing
from local.dataverse.odata import options as query_options
from local.dataverse.world import World


class Definitions:
    """Metadata of the tables as they are now."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept = Catalogue(world.tables)
        self.secured: Callable[[], frozenset[tuple[str, str]]] = frozenset
        self.changing = Changing(world)
        self._actions = Actions(world, self.changing)

    def service_document(self, request: Request) -> Reply:
        """The entity sets."""
        tables = self._world.tables.by_name.values()
        sets = [{"name": t.entity_set, "kind": "EntitySet", "url": t.entity_set} for t in tables]
        return json_reply({"@odata.context": f"{request.root}$metadata", "value": sets}, message="Metadata")

    def model(self, request: Request) -> Reply:
        """`$metadata`."""
        text = csdl.document(self._world.tables, annotated="annotations=true" in request.query)
        return Reply(200, text.encode(), content_type="application/xml", message="Metadata")

    def message_filters(self, request: Request) -> Reply:
        """`sdkmessagefilters`: which messages a table takes."""
        options = query_options.read(request.query)
        listed = asked.rows(self._catalogue.message_filters(), options, id_name="sdkmessagefilterid")
        context = f"{request.root}$metadata#sdkmessagefilters"
        return json_reply({"@odata.context": context, "value": listed}, message="RetrieveMultiple", rows=len(listed))

    def owns(self, segment: str) -> bool:
        """Whether the first segment of a path leads to definitions, or is an action on them."""
        return segment.partition("(")[0] in reading.ROOTS or self._actions.owns(segment)

    def answer(self, segments: list[str], request: Request) -> Reply:
        """A request on definitions.

        Raises:
            Refusal: there is no such thing, or it cannot be done.
        """
        if self._actions.owns(segments[0]) and len(segments) == 1:
            return self._actions.answer(self._catalogue, segments[0], request)
        if segments[0].partition("(")[0] not in reading.ROOTS:
            raise refusals.no_segment(segments[-1])
        if request.method == "GET":
            return reading.read(self._catalogue, segments, request)
        return self.changing.answer(self._catalogue, segments, request)

    @property
    def _catalogue(self) -> Catalogue:
        secured = self.secured()
        if self._kept.tables is not self._world.tables or self._kept.secured != secured:
            self._kept = Catalogue(self._world.tables, secured)
        return self._kept
