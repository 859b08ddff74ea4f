"""Colours of links in drawings, by state: strong enough on a white and on a black ground."""

from typing import Final

GREEN, YELLOW, RED, GRAY = "#2da44e", "#bf8700", "#cf222e", "#8b949e"
LINKS: Final = {"connected": GREEN, "connecting": YELLOW, "unknown": YELLOW, "error": RED, "missing": RED}


def of_link(state: str) -> str:
    """Gray for a state that is not known here."""
    return LINKS.get(state, GRAY)
