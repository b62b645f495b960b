"""A full-text index of passages: SQLite's FTS5 in memory, ranked by its bm25().

A query is a set of words, and nothing else: it is split here, each word is quoted, and what is looked for is bound as a
parameter, so that no operator of FTS5 and no SQL can be in it. Ties are broken by the order of the passages.
"""

import sqlite3
from collections.abc import Sequence

from tamdp_theory.environments.answers import words
from tamdp_theory.errors import InputError


class Index:
    """Passages that can be searched. InputError if this Python's SQLite has no FTS5."""

    def __init__(self, passages: Sequence[str]) -> None:
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        try:
            self._connection.execute("CREATE VIRTUAL TABLE passages USING fts5(text)")
        except sqlite3.OperationalError as error:
            raise InputError(f"search: this Python's SQLite {sqlite3.sqlite_version} has no FTS5 ({error})") from error
        rows = [(place + 1, text) for place, text in enumerate(passages)]
        self._connection.executemany("INSERT INTO passages (rowid, text) VALUES (?, ?)", rows)

    def best(self, query: str) -> int | None:
        """Place of the passage that fits a query best; None if no word of it is in any."""
        asked = " OR ".join(f'"{word}"' for word in words(query))
        if not asked:
            return None
        found = self._connection.execute(
            "SELECT rowid FROM passages WHERE passages MATCH ? ORDER BY bm25(passages), rowid LIMIT 1", (asked,)
        ).fetchone()
        return None if found is None else int(found[0]) - 1
