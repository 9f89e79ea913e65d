"""Pieces of a page: whatever a text brings in stays text."""

from __future__ import annotations

import base64
import html
from typing import Any

from planning_core.case.report.pictures import Picture


def escaped(text: object) -> str:
    """Text that is no markup."""
    return html.escape(str(text), quote=True)


def figure(picture: Picture) -> str:
    """A picture within the page."""
    data = base64.b64encode(picture.png()).decode()
    return f'<figure><img alt="{escaped(picture.title)}" src="data:image/png;base64,{data}"></figure>'


def listed(lines: tuple[str, ...] | list[str]) -> str:
    """One line each."""
    return "<ul>" + "".join(f"<li>{escaped(line)}</li>" for line in lines) + "</ul>" if lines else "<p>none</p>"


def table(head: list[str], rows: dict[str, Any] | list[list[Any]]) -> str:
    """A table, its first line the head."""
    lines = [[k, v] for k, v in rows.items()] if isinstance(rows, dict) else rows
    top = "<tr>" + "".join(f"<th>{escaped(h)}</th>" for h in head) + "</tr>" if head else ""
    return (
        "<table>"
        + top
        + "".join("<tr>" + "".join(f"<td>{escaped(c)}</td>" for c in line) + "</tr>" for line in lines)
        + "</table>"
    )
