"""Which tables get a document: as the command line says, or as the user answers at a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from flusso_cli.init.survey import Relation, Survey
from flusso_shared.errors import FatalError
from flusso_shared.names import TableName
from flusso_shared.problems import did_you_mean

_SHOWN = 40


def eligible(survey: Survey) -> list[TableName]:
    """Tables that can be followed."""
    return [relation.name for relation in _offered(survey) if not survey.obstacle(relation.name)]


def refused(survey: Survey) -> list[tuple[TableName, str]]:
    """Tables that cannot, each with the reason; views and partitions are not listed."""
    found = [(relation.name, survey.obstacle(relation.name)) for relation in _offered(survey)]
    return [(name, reason) for name, reason in found if reason]


def named(survey: Survey, texts: Sequence[str]) -> list[TableName]:
    """The tables of those names, each once.  Raises `FatalError` naming everything that is wrong."""
    found: dict[TableName, None] = {}
    problems: list[str] = []
    for text in texts:
        matches = _matches(survey, text)
        if len(matches) == 1:
            found[matches[0]] = None
            if obstacle := survey.obstacle(matches[0]):
                problems.append(f"table {matches[0]} cannot be followed: {obstacle}")
        elif matches:
            problems.append(f"there are several tables `{text}`: {', '.join(map(str, matches))}")
        else:
            known = [str(name) for name in eligible(survey)]
            near = did_you_mean(text, [*known, *(name.partition(".")[2] for name in known)])
            problems.append(f"there is no table `{text}`{near}, or this role may not see it")
    if problems:
        raise FatalError("\n".join([*problems, "nothing was written"]))
    return list(found)


def _matches(survey: Survey, text: str) -> list[TableName]:
    """As written before in lower case, with the schema before without, `public` before the others."""
    all_names = [relation.name for relation in survey.relations]
    for wanted in (text, text.lower()):
        whole = [name for name in all_names if str(name) == wanted]
        bare = [name for name in all_names if name.name == wanted]
        public = [name for name in bare if name.schema == "public"]
        if found := whole or public or bare:
            return found
    return []


def _offered(survey: Survey) -> list[Relation]:
    """What belongs to an extension is named explicitly or not at all."""
    return [
        relation
        for relation in survey.relations
        if not relation.extension
        and survey.facts[relation.name].kind in ("r", "p")
        and survey.facts[relation.name].root is None
    ]


# --- asking -------------------------------------------------------------------------------------


def what_to_give(survey: Survey) -> str:
    """The message where no table was given and there is no terminal to ask at."""
    names = [str(name) for name in eligible(survey)]
    if not names:
        return "the database has no table that can be followed" + "".join(
            f"\n  {name}: {reason}" for name, reason in refused(survey)
        )
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (
        f"say which tables get documents: --table {names[0]} (more than once for several), or --all;"
        f" there are {', '.join(names[:_SHOWN])}{more}"
    )


def ask(survey: Survey, console: Console, read: Callable[[], str]) -> list[TableName]:
    """List the tables and ask until the answer makes sense.  Raises `FatalError` without any table."""
    offered = eligible(survey)
    if not offered:
        raise FatalError(what_to_give(survey))
    rows = {relation.name: relation.rows for relation in survey.relations}
    table = Table(box=None, pad_edge=False)
    for header in ("", "table", "rows, about"):
        table.add_column(header, justify="left" if header == "table" else "right")
    for number, name in enumerate(offered, 1):
        table.add_row(str(number), str(name), f"{rows[name]:,}" if rows[name] >= 0 else "?")
    console.print(table)
    while True:
        answer = [word for word in re.split(r"[\s,]+", read()) if word]
        try:
            chosen = _answered(survey, offered, answer)
        except FatalError as error:
            console.print(str(error))
            continue
        if chosen:
            return chosen


def _answered(survey: Survey, offered: list[TableName], words: list[str]) -> list[TableName]:
    if words == ["all"]:
        return offered
    texts: list[str] = []
    for word in words:
        if word.isdecimal() and 1 <= int(word) <= len(offered):
            texts.append(str(offered[int(word) - 1]))
        else:
            texts.append(word)
    return named(survey, texts)
