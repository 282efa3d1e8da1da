"""A page of HTML, once it is sound: tags in pairs, nothing from elsewhere, no script."""

from __future__ import annotations

import re
from html.parser import HTMLParser

EVIL = '<b>&"'
VOID = {"meta", "img"}


class Balance(HTMLParser):
    """Tags that are open, text that is shown, and whatever the page would fetch."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.shown, self.fetched, self.seen = [], [], set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.shown.append(data)


def checked(text: str) -> Balance:
    """The page, once it is sound: tags in pairs, nothing from elsewhere, no script."""
    found = Balance(text)
    assert text.startswith("<!doctype html>") and not found.open and not found.seen & {"script", "link", "iframe", "b>"}
    assert found.fetched and all(each.startswith("data:image/png;base64,") for each in found.fetched)
    assert not re.search(r"https?:|url\(|@import", text)
    return found
