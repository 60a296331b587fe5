"""The words about definitions, spoken to a deployed app."""

from __future__ import annotations

from difflib import get_close_matches

from shared.cli.remote.line import Line
from shared.errors import DefinitionError, NotFoundError, RequestError
from shared.values.definitions import DefinitionView, Draft
from shared.values.revisions import Revision
from shared.web.preconditions import HEADER, tag
from shared.web.routes.definitions import DraftView, RevisionsPage, TextView
from shared.web.routes.syncs import SyncsView


class RemoteDefinitions:
    """The definitions of a deployed app. Who changes one there is who has signed in."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def show(self, sync: str) -> DefinitionView:
        """The definition as it is now; of a mistyped name, the near ones of those that the caller may see."""
        try:
            return self._line.ask(DefinitionView, "GET", "syncs", sync, "definition")
        except NotFoundError as error:
            names = [one.name for one in self._line.ask(SyncsView, "GET", "syncs").syncs]
            near = get_close_matches(sync, names, n=3)
            if not near or near[0] in error.found:  # who may see all of them is told by the app
                raise
            raise NotFoundError(error.found, remedy=f"did you mean {' or '.join(near)}?") from None

    def revisions(self, sync: str, *, before: int | None = None, limit: int = 50) -> list[Revision]:
        """The newest first; below a number when it is given."""
        query = {"before": before, "limit": limit}
        return self._line.ask(RevisionsPage, "GET", "syncs", sync, "definition", "revisions", query=query).revisions

    def text(self, sync: str, number: int) -> str:
        """The text of a revision; of 0, the file's."""
        return self._line.ask(TextView, "GET", "syncs", sync, "definition", "revisions", str(number)).text

    def draft(self, sync: str, text: str) -> Draft:
        """What the text would be, for who may save it."""
        return self._line.ask(DraftView, "POST", "syncs", sync, "definition", "check", body={"text": text}).value()

    def save(self, sync: str, text: str | None, *, expected: int, by: str, note: str = "") -> Revision:
        """The text in the definition's place, or (None) the definition dropped.

        Raises:
            DefinitionError: with all problems of the text.
            DynsyncError: as the app says it.
        """
        headers = {HEADER: tag(expected)}
        path = ("syncs", sync, "definition")
        if text is None:
            return self._line.ask(Revision, "DELETE", *path, query={"note": note}, headers=headers)
        try:
            return self._line.ask(Revision, "PUT", *path, body={"text": text, "note": note}, headers=headers)
        except RequestError as error:
            if not error.problems:
                raise
            raise DefinitionError(sync, error.problems) from None
