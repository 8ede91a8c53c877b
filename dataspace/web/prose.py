"""Descriptions as blocks: paragraphs and tables, in the little of Markdown that ours are written in."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """A paragraph, or the rows of a table with its head first; code stands between backquotes."""

    text: str
    rows: tuple[tuple[str, ...], ...] = ()


def blocks(description: str) -> list[Block]:
    """Return the blocks of a description, which blank lines part."""
    return [_block(part) for part in description.split("\n\n") if part.strip()]


def _block(part: str) -> Block:
    lines = part.strip().splitlines()
    if not all(line.startswith("|") for line in lines):
        return Block(part)
    # The second line is the rule under the head.
    rows = (line.strip("| ").split("|") for line in lines[:1] + lines[2:])
    return Block("", tuple(tuple(cell.strip() for cell in row) for row in rows))
