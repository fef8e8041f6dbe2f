"""HTML elements in which no text can be markup, whatever it is: every text is escaped in one place.

The texts of a verdict are redacted and sanitized already, and names are by ``words.safe_name``; a text that is redacted
again, without what was around it, would lose too much. A page that is built of these elements asks for nothing: no
script, no link, no image, no font, and a policy that forbids all of them.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from xml.etree.ElementTree import Element, tostring

_STYLE = (files(__package__) / "page.css").read_text(encoding="utf-8")
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"


def element(tag: str, class_: str, *children: Element | str | None, **attributes: str) -> Element:
    """``class_``: "" for none. Texts become text, never markup; None is left out.

    Names of tags, classes and attributes, and the values of attributes, are ours, never a tenant's.
    """
    built = Element(tag, {**({"class": class_} if class_ else {}), **attributes})
    for child in children:
        if isinstance(child, str):
            _append_text(built, child)
        elif child is not None:
            built.append(child)
    return built


def document(title: str, *content: Element) -> bytes:
    """One complete page."""
    head = element(
        "head",
        "",
        element("meta", "", charset="utf-8"),
        element("meta", "", **{"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        element("meta", "", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", "", name="referrer", content="no-referrer"),
        element("meta", "", name="color-scheme", content="light dark"),
        element("title", "", title),
        _style(),
    )
    page = element("html", "", head, element("body", "", element("main", "", *content)), lang="en")
    return f"<!DOCTYPE html>\n{tostring(page, encoding='unicode', method='html')}\n".encode()


def _style() -> Element:
    """Its text is not escaped in HTML, and is our own."""
    style = Element("style")
    style.text = _STYLE
    return style


def _append_text(parent: Element, text: str) -> None:
    if len(parent):
        last = parent[-1]
        last.tail = (last.tail or "") + text
    else:
        parent.text = (parent.text or "") + text
