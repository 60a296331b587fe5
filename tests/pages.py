"""What every page keeps: it is whole, can be read by all, and carries nothing that its policy would block."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "input", "br", "hr", "wbr", "col"}
FIELDS = {"input", "select", "textarea"}
UNLABELLED = {"hidden", "submit", "button"}


class _Reader(HTMLParser):
    """Collects what a page is made of; `faults` are those found on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.labels: set[str] = set()
        self.fields: list[dict[str, str]] = []
        self.words: dict[str, str] = {}
        self.faults: list[str] = []
        self.nameless: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.faults += [f"<{tag} {name}> is inline" for name in told if name == "style" or name.startswith("on")]
        for name in ("href", "src", "action", "formaction"):
            if name in told and not (told[name].startswith(("/", "#", "?")) and not told[name].startswith("//")):
                self.faults.append(f"<{tag} {name}={told[name]!r}> leads elsewhere")
        if tag == "style" or (tag == "script" and "src" not in told):
            self.faults.append(f"<{tag}> is inline")
        if tag == "img" and "alt" not in told:
            self.faults.append("an <img> has no alt")
        if tag == "form" and told.get("method") == "post" and "action" not in told:
            self.faults.append("a <form> does not say where it goes")
        if tag in FIELDS and told.get("type") not in UNLABELLED and "aria-label" not in told:
            self.fields.append(told)
        if tag == "label":
            self.labels.add(told.get("for", ""))
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(int(tag[1]))
        if "id" in told:
            self.ids.append(told["id"])
        if tag not in VOID:
            self.open.append(tag)
            if tag in ("a", "button", "h1", "h2", "h3", "title", "summary", "label"):
                self.words[tag] = told.get("aria-label", "")

    def handle_data(self, data: str) -> None:
        for tag in self.open:
            if tag in self.words:
                self.words[tag] += data

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes what is not open")
        if tag in self.words and not self.words.pop(tag).strip():
            self.faults.append(f"a <{tag}> says nothing")


def faults(html: str) -> list[str]:
    """What is wrong with a page: nothing, where it is as it has to be."""
    page = _Reader()
    page.feed(html)
    page.close()
    found = [*page.faults, *(f"<{tag}> is never closed" for tag in page.open)]
    found += [f"two elements have the id {name!r}" for name, times in Counter(page.ids).items() if times > 1]
    found += [f"a field has no label: {one}" for one in page.fields if one.get("id") not in page.labels]
    found += [f"a label is for nothing: {name!r}" for name in page.labels - set(page.ids)]
    if page.headings[:1] != [1] or page.headings.count(1) != 1:
        found.append(f"there is not one h1, at the beginning: {page.headings}")
    pairs = zip(page.headings, page.headings[1:], strict=False)
    found += [f"h{lower} follows h{upper}" for upper, lower in pairs if lower > upper + 1]
    if not html.startswith("<!doctype html>") or '<html lang="en">' not in html or "<title>" not in html:
        found.append("the page lacks its doctype, language or title")
    return found
