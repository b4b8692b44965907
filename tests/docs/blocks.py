"""The code blocks of a page of documentation, and how a page says what its blocks need.

A page is Markdown for people; two comments, which no reader sees, are for the tests. Before a block that cannot be run stands
`<!-- not run: the reason -->`. What a page takes for granted stands in `<!-- before: a command -->`, and is run there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
#: The languages that a block may be in: what each is held to is said in `test_code_blocks`.
LANGUAGES = ("console", "python", "sql", "yaml", "toml")

_COMMENT = re.compile(r"<!-- (not run|before): (.*?) -->", re.S)
_MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Command:
    """A line that is typed, and what is shown of what it prints; `…` in that stands for anything on a line, or for lines."""

    typed: str
    shown: str

    def is_answered_by(self, said: str) -> bool:
        """Whether it prints what is shown; where nothing is shown, whatever it prints will do."""
        if not self.shown.strip():
            return True
        lines = [re.escape(line.rstrip()).replace("…", ".*") for line in self.shown.strip("\n").splitlines()]
        pattern = "".join("(?:.*\n)*" if line == ".*" else line + " *\n" for line in lines)
        return re.fullmatch(pattern, said.strip("\n") + "\n") is not None


@dataclass(frozen=True)
class Block:
    """A block of a page.

    Args:
        page: The page, relative to `docs`, or the README.
        line: The line on which it begins.
        language: What it is in; `before` is a command that no reader sees, and an indented block has none.
        text: What it holds.
        not_run: Why it cannot be run; empty if it can.
    """

    page: str
    line: int
    language: str
    text: str
    not_run: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[Command]:
        """The commands of a console block: lines that begin with `$ `, and those that go on after a backslash."""
        found: list[Command] = []
        is_open = False
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append(Command(line[2:], ""))
            elif not found:
                raise ValueError(f"{self}: a console block begins with `$ `")
            elif is_open:
                found[-1] = Command(f"{found[-1].typed}\n{line}", "")
            else:
                found[-1] = Command(found[-1].typed, f"{found[-1].shown}{line}\n")
                continue
            is_open = line.endswith("\\")
        return found


def blocks(path: Path) -> list[Block]:
    """Return the blocks of a page in their order, the commands in its comments among them."""
    page = path.relative_to(DOCS if path.is_relative_to(DOCS) else REPOSITORY).as_posix()
    found: list[Block] = []
    reason = ""
    for token in _MARKDOWN.parse(path.read_text(encoding="utf-8")):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "html_block":
            for kind, said in _COMMENT.findall(token.content):
                if kind == "before":
                    found.append(Block(page, line, "before", said))
                else:
                    reason = " ".join(said.split())
        elif token.type in ("fence", "code_block"):
            found.append(Block(page, line, token.info.strip(), token.content, reason))
            reason = ""
    return found
