"""What problems ask, for data sets whose rows only name them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from themis_data.errors import SourceError
from themis_data.fingerprint import digest, model_digest
from themis_data.text.markup import text_of_html
from themis_data.text.problem_keys import problem_key
from themis_data.upstream.fields import key
from themis_data.upstream.mapping import prompt_of
from themis_data.upstream.read import UpstreamFile, files_of, read_file
from themis_data.upstream.recipes import Fields, Part, Recipe
from themis_data.upstream.settings import Prepared

_TABLES = (".jsonl", ".jsonl.gz", ".json", ".parquet")
_DATABASES = (".sqlite", ".sqlite3", ".db")
# CodeNet's problems without a key of their own: the id of any of these data sets is one of CodeNet's.
_JUDGE = "codenet"


def statement_files(path: Path) -> list[Path]:
    """The files of statements in a folder, sorted, or the one file. Raises SourceError where there is none."""
    endings = (*_TABLES, *_DATABASES, ".html")
    if path.is_file():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.is_file() and file.name.endswith(endings))
    if not found:
        raise SourceError(
            f"{path}: no statements; expected a file or a folder of files that end in {', '.join(endings)}"
        )
    return found


def statements_digest(path: Path) -> str:
    """What identifies the content of the statements."""
    return digest([[file.name, model_digest(file)] for file in statement_files(path)])


def read_statements(path: Path) -> dict[str, str]:
    """Statements by problem key.

    JSON Lines and Parquet have the columns `problem` and `text`; a file of CodeNet's `problem_descriptions` is named by
    its problem; a database of RunBugRun has the table `problems` (problem_id, text). HTML becomes text, with code kept.
    """
    found: dict[str, str] = {}
    for file in statement_files(path):
        for problem, statement in _read(file):
            name = problem_key(problem) or problem_key(problem, _JUDGE)
            if name is None:
                raise SourceError(f"{file}: {problem!r} names no problem that is known, such as p00042")
            if statement:
                found.setdefault(name, statement)
    return found


def _read(file: Path) -> Iterator[tuple[str, str]]:
    if file.name.endswith(".html"):
        yield file.stem, text_of_html(file.read_text(encoding="utf-8", errors="replace"))
    elif file.name.endswith(_DATABASES):
        try:
            with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
                for problem, statement in database.execute("SELECT problem_id, text FROM problems ORDER BY problem_id"):
                    yield str(problem), text_of_html(statement or "")
        except sqlite3.Error as error:
            raise SourceError(f"{file}: no table `problems` with problem_id and text: {error}") from error
    else:
        fields = Fields(prompt="text", language=None)
        part = Part(files=(file.name,), columns={"problem": "id", "text": "text"}, fields=fields)
        recipe = _table_recipe(file, part)
        for rows in read_file(recipe, UpstreamFile(part=part, split=None, url=str(file))):
            yield from ((row["problem"], row["text"] or "") for row in rows.to_pylist() if row["problem"])


def _table_recipe(file: Path, part: Part) -> Recipe:
    return Recipe(
        name="statements",
        path=file,
        title="statements of problems",
        hub=None,
        repository="",
        revision=None,
        license=None,
        reads_as="task",
        seen=(),
        parts=(part,),
    )


def own_statements(prepared: Prepared, *, from_path: Path | None, revision: str | None) -> dict[str, str]:
    """Statements by problem key out of the recipe's own part for them; none where it has no such part."""
    part = prepared.recipe.statements
    if part is None:
        return {}
    assert part.fields is not None  # checked where recipes are read
    found: dict[str, str] = {}
    for file in own_files(prepared, from_path=from_path, revision=revision):
        for rows in read_file(prepared.recipe, file):
            for row in rows.to_pylist():
                values = {**row, **file.places}
                problem, prompt = key(values, part.fields.problem_key), prompt_of(values, part.fields)
                if problem is not None and prompt is not None:
                    found.setdefault(problem, prompt)
    return found


def own_files(prepared: Prepared, *, from_path: Path | None, revision: str | None) -> list[UpstreamFile]:
    """The files of the recipe's own part for statements. A single file that is read alone comes without them."""
    part = prepared.recipe.statements
    if part is None or (from_path is not None and from_path.is_file()):
        return []
    from dataclasses import replace

    return files_of(replace(prepared.recipe, parts=(part,)), from_path=from_path, revision=revision)
