"""The command `themis`: a subcommand parses, calls one function and prints; results on stdout, the rest on stderr."""

import contextlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from themis_data.build import Built
    from themis_data.pipeline import Pipeline

app = typer.Typer(
    name="themis",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Code preference pairs from git history and data sets: mine, label, assemble, inspect.",
)

PipelineName = Annotated[str, typer.Argument(help="A shipped pipeline by name, or a path to a YAML file.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="STEP.FIELD=VALUE, the value as YAML; may be repeated.")
]
Out = Annotated[Path | None, typer.Option(help="The run folder; runs/PIPELINE by default.")]
Folder = Annotated[Path, typer.Argument(help="A run folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def main() -> None:
    """Run the command line. Exits 0, 1 with one clean message for an error of ours, or 2 for wrong usage."""
    from themis_data.errors import ThemisError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except ThemisError as error:
        _fail(str(error))
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _fail(f"{place}{error.strerror or error}")
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        sys.exit(130)


def _fail(message: str) -> NoReturn:
    from themis_data.report.tables import visible

    print(f"error: {visible(message, lines=True)}", file=sys.stderr)
    sys.exit(1)


@app.command()
def plan(
    pipeline: PipelineName,
    set_: Overrides = None,
    out: Out = None,
    probe: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Build up to the first step with open questions to language models, ask that many of them, and say "
            "what the rest would cost.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a pipeline and print its steps and what would run; starts nothing without --probe."""
    from themis_data.pipeline import load_pipeline
    from themis_data.plan import plan as make_plan
    from themis_data.report.tables import print_plan, print_rest

    loaded = load_pipeline(pipeline, set_ or ())
    folder = _run_folder(out, loaded.name)
    made = make_plan(loaded, folder)
    if probe is not None:
        from themis_data.engine.budget import Budget, BudgetReached

        try:
            _build(loaded, folder, budget=Budget(requests=probe))
            made["probe"] = None
        except BudgetReached as reached:
            made["probe"] = {"step": reached.step, "models": reached.rest}
    _print_json(made) if as_json else print_plan(made)
    if probe is not None and not as_json:
        print_rest(made["probe"])


@app.command()
def build(
    pipeline: PipelineName,
    set_: Overrides = None,
    out: Out = None,
    engine: Annotated[str, typer.Option(help="auto, inline or ray; the result is the same.")] = "auto",
    address: Annotated[str | None, typer.Option(help="Address of a running Ray cluster.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes of a local Ray; all cores by default.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Take a seeded sample of that many units of each source.")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Stop asking language models after 200usd, 5000000tokens or 100requests; answers are kept."),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask again what got no answer in steps that are done.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Build a data set; goes on where an earlier build stopped, and skips what has not changed."""
    from themis_data.engine.budget import BudgetReached, read_budget
    from themis_data.pipeline import load_pipeline
    from themis_data.report.tables import print_built, print_rest

    loaded = load_pipeline(pipeline, set_ or ())
    folder = _run_folder(out, loaded.name)
    try:
        built = _build(
            loaded,
            folder,
            engine=engine,
            address=address,
            workers=workers,
            limit=limit,
            budget=None if budget is None else read_budget(budget),
            retry_failed=retry_failed,
        )
    except BudgetReached as reached:
        print_rest({"step": reached.step, "models": reached.rest})
        raise
    _print_json(built.manifest) if as_json else print_built(built, folder)


@app.command()
def verify(folder: Folder) -> None:
    """Check every file of a run against its records: checksums, schemas, conservation, parents. Exits 1 on a fault."""
    from themis_data.verify import verify as check

    faults, checked = check(folder)
    for fault in faults:
        print(fault)
    print(f"{checked} files checked, {len(faults)} faults", file=sys.stderr if faults else sys.stdout)
    raise typer.Exit(1 if faults else 0)


@app.command()
def inspect(folder: Folder, as_json: Json = False) -> None:
    """Print the funnel, and counts by criterion, language, source and licence."""
    from themis_data.dataset import RunFolder
    from themis_data.report.tables import print_manifest

    manifest = RunFolder(folder).manifest()
    _print_json(manifest) if as_json else print_manifest(manifest)


@app.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A pair, change or commit id; a beginning of one will do.")],
    from_: Annotated[Path, typer.Option("--from", help="The run folder.")],
    full: Annotated[bool, typer.Option("--full", help="Whole files instead of the changed lines.")] = False,
) -> None:
    """Print a pair or a change as a coloured diff, with its lineage."""
    from themis_data.report.show import print_row

    print_row(from_, id_, full=full)


@app.command()
def explain(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A commit, change or pair id; a beginning of one will do.")],
    from_: Annotated[Path, typer.Option("--from", help="The run folder.")],
    as_json: Json = False,
) -> None:
    """Say what happened to a commit, change or pair, step by step, and why."""
    from themis_data.report.explain import explain as find
    from themis_data.report.explain import print_story

    story = find(from_, id_)
    _print_json(story) if as_json else print_story(story)


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(help="A run folder, or a folder with a published version.")],
    after: Annotated[Path, typer.Argument(help="The other one.")],
    full: Annotated[bool, typer.Option("--full", help="List all rows that differ, with whole texts.")] = False,
    as_json: Json = False,
) -> None:
    """Say how two builds or versions differ: rows, settings, sources, counts, funnel. Exits 1 where they do."""
    from themis_data.report.diff import diff as compare
    from themis_data.report.diff import print_diff

    report = compare(before, after, full=full)
    _print_json(report) if as_json else print_diff(report)
    raise typer.Exit(0 if report["is_equal"] else 1)


@app.command()
def drop(
    version: Annotated[Path, typer.Argument(help="A run folder, or a folder with a published version.")],
    out: Annotated[Path, typer.Option(help="A new folder for what is left.")],
    repo: Annotated[
        list[str] | None, typer.Option(help="HOST/OWNER/NAME, or OWNER/NAME on every host; may be repeated.")
    ] = None,
    author_hash: Annotated[
        list[str] | None, typer.Option(help="An author_hash of the run folder; may be repeated.")
    ] = None,
    source: Annotated[list[str] | None, typer.Option(help="A data set by its name; may be repeated.")] = None,
    row: Annotated[
        list[str] | None,
        typer.Option(help="Id of a pair, or of the change or task that pairs are of; may be repeated."),
    ] = None,
    list_: Annotated[
        list[Path] | None, typer.Option("--list", help="A list of opt-outs; its paths count too; may be repeated.")
    ] = None,
    opt_outs: Annotated[
        list[Path] | None, typer.Option(help="A list for drop_opted_out to extend with this, beside the one in --out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take rows down: write a version without them, and without what was made of them, and say how it differs."""
    from datetime import UTC, datetime

    from themis_data.publish.takedown import take_down
    from themis_data.report.diff import diff as compare
    from themis_data.report.diff import print_diff, print_taken_down
    from themis_data.text.opt_outs import opt_outs as checked
    from themis_data.text.opt_outs import read_opt_outs

    options = {"repo": repo, "author": author_hash, "source": source, "row": row}
    entries = [(kind, value) for kind, values in options.items() for value in values or ()]
    asked = checked([*entries, *read_opt_outs(list_ or ()).entries], "themis drop")
    if not asked.entries:
        raise typer.BadParameter("say what to drop: --repo, --author-hash, --source, --row or --list")
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    taken = take_down(version, out, asked, created_at=created_at, extend=opt_outs or ())
    report = compare(version, out)
    if as_json:
        _print_json({"takedown": taken.record, "rows": dict(taken.rows), "diff": report})
        return
    print_taken_down(taken, out)
    print_diff(report)


@app.command()
def clean(
    folder: Folder,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove what belongs to no finished build: shards of earlier settings, and what crashes left."""
    from themis_data.verify import clean as remove

    files, size = remove(folder, dry_run=dry_run)
    print(f"{'would remove' if dry_run else 'removed'} {files} files, {size / 1e6:.1f} MB")


@app.command()
def publish(
    folder: Folder,
    to: Annotated[
        str, typer.Option(help="hf://datasets/ORG/NAME, or an fsspec address such as s3://BUCKET/NAME or file:///PATH.")
    ],
    version: Annotated[str, typer.Option(help="MAJOR.MINOR.PATCH, above the last one there.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and show everything; no network.")] = False,
    public: Annotated[bool, typer.Option("--public", help="A data set that is made on the Hub is public.")] = False,
    records: Annotated[
        Path | None,
        typer.Option(
            help="Folder of records; the checkout's manifests/datasets, or `published` beside the run folder."
        ),
    ] = None,
    skip_check: Annotated[
        list[str] | None, typer.Option(help="A consumer whose check is left out, and recorded so; may be repeated.")
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="Count by it which pairs consumers' cuts make the same: qwen, a path or hub id.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Publish a finished build as a version: check it, send what is not there, tag it, compare hashes, record it."""
    from datetime import UTC, datetime

    from themis_data.publish.push import publish as push
    from themis_data.report.publishing import print_published

    made = push(
        folder,
        to,
        version,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        note=lambda text: print(text, file=sys.stderr),
        dry_run=dry_run,
        public=public,
        records=records,
        skip_checks=skip_check or (),
        tokenizer=tokenizer,
    )
    _print_json(made.as_json) if as_json else print_published(made, dry_run=dry_run)


@app.command()
def rejudge(
    pipeline: PipelineName,
    from_: Annotated[Path, typer.Option("--from", help="The run folder of a finished build of this pipeline.")],
    out: Annotated[Path, typer.Option(help="A new run folder.")],
    set_: Overrides = None,
    as_json: Json = False,
) -> None:
    """Build again with another judge or rubric (--set), over what was stored, and say which verdicts changed."""
    from themis_data.dataset import RunFolder
    from themis_data.pipeline import load_pipeline
    from themis_data.report.rejudge import compare, print_compared

    loaded = load_pipeline(pipeline, set_ or ())
    if not (out / "run.json").exists():  # else an earlier call was interrupted, and the build goes on
        with RunFolder(from_).locked(loaded.name):
            RunFolder(from_).copy_to(RunFolder(out))
    _build(loaded, out)
    report = compare(from_, out)
    _print_json(report) if as_json else print_compared(report)


gold = typer.Typer(no_args_is_help=True, help="Let people label a blind sample of the pairs, and read it back.")
app.add_typer(gold, name="gold")


@gold.command(name="export")
def gold_export(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="The sheet to write: .csv for a spreadsheet, .jsonl for Argilla.")],
    per_cell: Annotated[int, typer.Option(min=1, help="Pairs of each criterion in each language, at most.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the sample and of which side stands first.")] = 0,
) -> None:
    """Write a sheet of pairs in random order, without saying which side is the chosen one."""
    from themis_data.report.gold import export_gold, print_exported

    print_exported(export_gold(folder, out, per_cell=per_cell, seed=seed), out)


@gold.command(name="read")
def gold_read(
    sheets: Annotated[list[Path], typer.Argument(help="Sheets that people filled in.")],
    from_: Annotated[Path, typer.Option("--from", help="The run folder they were exported from.")],
    out: Annotated[Path | None, typer.Option(help="Folder for gold.json and gold.parquet; the sheet's own.")] = None,
    as_json: Json = False,
) -> None:
    """Read sheets back: how far people agree with the labels, with one another and with the models."""
    from themis_data.report.gold import print_gold, read_gold_sheets, write_gold

    found = read_gold_sheets(sheets, from_)
    write_gold(found, out if out is not None else sheets[0].parent)
    _print_json(found.report) if as_json else print_gold(found.report)


@app.command(name="train-classifier")
def train_classifier(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="The classifier's file to write.")],
    kind: Annotated[str, typer.Option(help="tfidf, minilm or modernbert.")] = "tfidf",
    precision: Annotated[float, typer.Option(min=0.0, max=1.0, help="That thresholds are chosen for.")] = 0.9,
    diff: Annotated[bool, typer.Option("--diff", help="Look at changed lines too, not at messages alone.")] = False,
    encoder: Annotated[str | None, typer.Option(help="modernbert: folder of the checkpoint to fine-tune.")] = None,
    seed: Annotated[int, typer.Option(help="Of the split of repositories and of what is drawn.")] = 0,
    as_json: Json = False,
) -> None:
    """Train a classifier of commits on what the term lists find in a run, for classify_commits."""
    from themis_data.criteria.classifiers import TrainSettings
    from themis_data.criteria.training import train_classifiers
    from themis_data.report.classifiers import print_trained, source_shards
    from themis_data.text.changes import line_changes

    settings = TrainSettings(kind=kind, min_precision=precision, diff_features=diff, encoder=encoder, seed=seed)
    report = train_classifiers(source_shards(folder), out, changed_lines=line_changes, settings=settings)
    _print_json(report) if as_json else print_trained(report, out)


@app.command(name="build-index")
def build_index(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="A recipe of manifests/sources (NAME, NAME@REVISION, or NAME=PATH of its files), or a Parquet or "
            "JSONL file of items.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The index file to write.")],
    prompt_column: Annotated[
        str | None, typer.Option(help="Column of the prompts, for files of another shape.")
    ] = None,
    response_column: Annotated[list[str] | None, typer.Option(help="Column of responses; may be repeated.")] = None,
    id_column: Annotated[str | None, typer.Option(help="Column of the items' ids; row numbers by default.")] = None,
    benchmark: Annotated[str | None, typer.Option(help="The benchmark's name; the file's name by default.")] = None,
    language: Annotated[str | None, typer.Option(help="The language of all responses, such as Python.")] = None,
    ngram: Annotated[int, typer.Option(min=1, help="Words an n-gram; drop_contaminated must ask for the same.")] = 13,
    as_json: Json = False,
) -> None:
    """Index benchmarks for drop_contaminated: hashes of their prompts, definitions and code, and none of their text."""
    from dataclasses import asdict

    from themis_data.benchmark_index import IndexSettings
    from themis_data.benchmark_index import build_index as write_index
    from themis_data.benchmark_items import Columns, read_sources, revisions
    from themis_data.report.tables import print_index

    columns = Columns(
        prompt=prompt_column,
        responses=tuple(response_column or ()),
        id=id_column,
        benchmark=benchmark,
        language=language,
    )
    settings = IndexSettings(ngram=ngram)
    counts = write_index(read_sources(sources, columns), out, settings=settings, revisions=revisions(sources))
    _print_json(asdict(counts)) if as_json else print_index(counts, out)


@app.command()
def doctor(
    sources: Annotated[bool, typer.Option("--sources", help="Read the first rows of upstream data sets.")] = False,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="Recipes of manifests/sources; all by default.")
    ] = None,
) -> None:
    """Check what a build stands on: with --sources, that upstream data sets are there and as their recipes say."""
    from themis_data.report.tables import print_checked
    from themis_data.upstream.doctor import check_sources

    if not sources:
        raise typer.BadParameter("say what to check: --sources")
    raise typer.Exit(print_checked(check_sources(names or ())))


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe (reward_...) by name, or a path to a YAML file.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="PHASE.FIELD=VALUE, model=NAME, seed=N, report_to=[NAMES]; may be repeated."),
    ] = None,
    phase: Annotated[str | None, typer.Option(help="Only this phase; all, in order, by default.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/RECIPE by default.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last whole checkpoint.")] = False,
    cpu: Annotated[bool, typer.Option("--cpu", help="Leave GPUs alone.")] = False,
    engine: Annotated[
        str, typer.Option(help="inline: this process; ray: --workers processes of Ray Train.")
    ] = "inline",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes on Ray, each with a GPU if there are any.")
    ] = None,
    address: Annotated[str | None, typer.Option(help="Address of a running Ray cluster.")] = None,
    print_launch: Annotated[
        bool,
        typer.Option(
            "--print-launch", help="Print a script that trains --phase on many GPUs, by Slurm or --engine ray."
        ),
    ] = False,
    gpus_per_machine: Annotated[int, typer.Option(min=1, help="For --print-launch.")] = 8,
) -> None:
    """Fit a reward model to pairs of finished data sets; as it is, under torchrun or accelerate launch, or on Ray."""
    from themis_data.train.recipe import load_recipe

    if engine not in ("inline", "ray"):
        raise typer.BadParameter(f"--engine {engine!r}: expected inline or ray")
    if engine == "inline" and (workers is not None or address is not None):
        raise typer.BadParameter(
            "--workers and --address are of --engine ray; without Ray: torchrun or accelerate launch"
        )

    loaded = load_recipe(recipe, set_ or ())
    phases = list(loaded.phases) if phase is None else [loaded.phase_named(phase)]
    if print_launch:
        from themis_data.train.launch import ray_script, slurm_script

        command = ["themis", "train", recipe, *(part for given in set_ or () for part in ("--set", given))]
        command += [] if out is None else ["--out", str(out)]
        script = ray_script if engine == "ray" else slurm_script
        print(script(loaded, phases[0], command, gpus_per_machine), end="")
        return
    folder = _run_folder(out, loaded.name)
    if engine == "ray":
        if workers is None:
            raise typer.BadParameter("--engine ray: say how many processes, --workers N")
        with _train_extra("training"):
            from themis_data.train.launch import fit_on_ray

            made = fit_on_ray(
                loaded, phases, folder, workers=workers, address=address, resume=resume, use_cpu=cpu or None
            )
        for model in made:
            print(model)
        return
    with _train_extra("training"):
        from themis_data.train.reward import fit
    for name in phases:
        print(fit(loaded, name, folder, resume=resume, use_cpu=cpu or None))


@app.command()
def evaluate(
    model: Annotated[
        str | None, typer.Argument(help="A reward model: folder or Hub id of a sequence classifier with one label.")
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option(help="A file of pairs, a folder of Parquet files or a finished data set; PATH#CONFIG names one."),
    ] = None,
    rerank: Annotated[
        str | None,
        typer.Option(help="Lists of candidates with pass rates, in place of pairs: Hits@5, Hits@10, rank correlation."),
    ] = None,
    adversarial: Annotated[
        bool, typer.Option("--adversarial", help="Score pairs also with comments in them that talk to a judge.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for results, scores and a picture, by mode.")] = None,
    systems: Annotated[
        str, typer.Option(help="System prompts, with commas: none, criterion (the pair's own), all (five), rows.")
    ] = "criterion",
    revision: Annotated[str | None, typer.Option(help="Commit of the model on the Hub.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Chats are cut to this many tokens.")] = 4_096,
    scorer: Annotated[str, typer.Option(help="What runs the model: transformers or vllm.")] = "transformers",
    scores: Annotated[
        str | None,
        typer.Option(help="Stored scores.parquet to sum up, in place of a model; or RUN#judgements of a judge."),
    ] = None,
    against: Annotated[str | None, typer.Option(help="Scores of another model or judge on the same pairs.")] = None,
    as_json: Json = False,
) -> None:
    """Accuracy of a reward model on pairs, by criterion, language and subset, with intervals; ties are wrong."""
    from themis_data.evaluate.sheet import compare, read_scores, summarised
    from themis_data.report import scores as shown
    from themis_data.report.figures import draw_sheet

    if against is not None and (rerank is not None or adversarial):
        raise typer.BadParameter("--against compares scores of pairs, as --pairs alone writes them")
    if scores is not None:
        tables = {scores: read_scores(scores)}
        results = {scores: summarised(tables[scores])}
    elif model is None or out is None or (pairs is None) == (rerank is None) or (adversarial and pairs is None):
        raise typer.BadParameter("give MODEL, --pairs (and --adversarial) or --rerank, and --out; or --scores")
    else:
        results = _evaluations(
            model, out, systems.split(","), scorer, revision, max_tokens, pairs, rerank, adversarial=adversarial
        )
        is_sheet = rerank is None and not adversarial
        tables = {mode: read_scores(str(out / mode / "scores.parquet")) for mode in results} if is_sheet else {}
    if out is not None:
        for name, table in tables.items():
            draw_sheet(results[name], table, out if scores is not None else out / name)
    compared = {} if against is None else {mode: compare(table, read_scores(against)) for mode, table in tables.items()}
    if as_json:
        _print_json({"results": results, "against": compared})
        return
    show = shown.print_lists if rerank is not None else shown.print_edits if adversarial else shown.print_sheet
    for mode, found in results.items():
        show(mode, found)
        if mode in compared:
            shown.print_comparison(compared[mode])


@app.command()
def score(
    model: Annotated[str, typer.Option(help="A reward model: folder (RUN/PHASE/model), or Hub id.")],
    answers: Annotated[
        list[str] | None, typer.Argument(metavar="ANSWER...", help="Files with an answer each; - or none: stdin.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="What was asked for.")] = None,
    prompt_file: Annotated[str | None, typer.Option(help="A file that says it; - for stdin.")] = None,
    criterion: Annotated[
        str | None, typer.Option(help="Judge by this criterion, or by all; without it there is no system prompt.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="Put answers that are bare code into a fence of this language.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Commit of the model on the Hub.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longer chats are an error.")] = 4_096,
    as_json: Json = False,
) -> None:
    """Score an answer, compare two, or order n and name the best. Higher is better; only differences mean something."""
    files = answers or ["-"]
    if (prompt is None) == (prompt_file is None):
        raise typer.BadParameter("say what was asked for: --prompt TEXT or --prompt-file FILE")
    if [*files, prompt_file].count("-") > 1:
        raise typer.BadParameter("standard input can be read once: one answer or the prompt")
    asked = prompt if prompt is not None else _read_text(prompt_file or "-")
    texts = [_read_text(name) for name in files]
    names = ["standard input" if name == "-" else name for name in files]
    with _train_extra("scoring"):
        from themis_data.evaluate.reward_model import RewardModel, system_prompt
        from themis_data.report.scores import print_ranking

        system_prompt(criterion)  # a mistyped name is said before a model is loaded
        loaded = RewardModel(model, revision=revision, max_tokens=max_tokens)
    found = loaded.rank(asked, texts, criterion=criterion, language=language, names=names)
    if not as_json:
        print_ranking(found)
        return
    rows = [{"answer": name, "reward": reward} for name, reward in zip(names, found.rewards, strict=True)]
    ranked = {"order": found.order, "best": names[found.best], "lead": found.lead, "probability": found.probability}
    _print_json({"model": model, "criterion": criterion, "answers": rows, **ranked})


def _read_text(name: str) -> str:
    """A file, or standard input for `-`, to the last line break. Raises EvaluationError for what is no UTF-8."""
    from themis_data.errors import EvaluationError

    content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{name}: no text in UTF-8: byte {error.start} is {content[error.start]:#04x}") from error


def _evaluations(
    model: str,
    out: Path,
    modes: list[str],
    scorer: str,
    revision: str | None,
    max_tokens: int,
    pairs: str | None,
    rerank: str | None,
    *,
    adversarial: bool,
) -> dict[str, Any]:
    """Results by mode of system prompts; the model is loaded once, and only when all else could be read."""
    from functools import partial

    from themis_data.evaluate.adversarial import evaluate_adversarial
    from themis_data.evaluate.pair_sets import mode_named, read_pairs, system_prompt
    from themis_data.evaluate.rerank import read_candidates
    from themis_data.evaluate.rerank import rerank as evaluate_lists
    from themis_data.evaluate.sheet import evaluate as evaluate_pairs
    from themis_data.fingerprint import code_state

    chosen = [mode_named(mode) for mode in modes]
    evaluate: Any
    if rerank is not None:
        for mode in chosen:
            system_prompt(mode, "functional_correctness")
        evaluate = partial(evaluate_lists, lists=read_candidates(rerank))
    else:
        assert pairs is not None
        read = read_pairs(pairs)
        for mode in chosen:
            read.systems(mode)
        evaluate = partial(evaluate_adversarial if adversarial else evaluate_pairs, pairs=read)
    with _train_extra("scoring"):
        from themis_data.evaluate.scoring import scorer_named

        opened = scorer_named(scorer)(model, revision=revision, max_tokens=max_tokens)
    described = {
        "model": model,
        "revision": opened.revision,
        "max_tokens": max_tokens,
        "scorer": scorer,
        "code": code_state(),
    }
    return {mode: evaluate(opened, mode=mode, folder=out / mode, described=described) for mode in chosen}


@app.command()
def ablate(
    pipeline: PipelineName,
    out: Annotated[Path, typer.Option(help="Folder for the builds and ablation.json.")],
    set_: Overrides = None,
    step: Annotated[
        list[str] | None,
        typer.Option(help="Id of a step to leave out; may be repeated; all that drop rows by default."),
    ] = None,
    whole_only: Annotated[bool, typer.Option("--whole-only", help="Leave no step out.")] = False,
    features: Annotated[
        str, typer.Option(help="What models see: length, tokens (of the lines that differ), or a checkpoint folder.")
    ] = "tokens",
    max_tokens: Annotated[
        int, typer.Option(min=1, help="Of a side, for a checkpoint; longer pairs are left out.")
    ] = 512,
    folds: Annotated[int, typer.Option(min=2, help="Parts that the repositories and problems are cut in.")] = 5,
    try_folds: Annotated[int | None, typer.Option(min=1, help="Try the pairs of so many folds; of all.")] = None,
    gold: Annotated[Path | None, typer.Option(help="gold.parquet of 'themis gold read': try these pairs too.")] = None,
    seed: Annotated[int, typer.Option(help="Of the folds and of what is drawn.")] = 0,
    engine: Annotated[str, typer.Option(help="auto, inline or ray; the result is the same.")] = "auto",
    as_json: Json = False,
) -> None:
    """Say what each step is worth: build without it, fit a small model on as many pairs, try both on unseen groups."""
    from themis_data.evaluate.ablation import Trial
    from themis_data.evaluate.ablation import ablate as compare
    from themis_data.evaluate.features import features_named
    from themis_data.manifest import write_record
    from themis_data.pipeline import load_pipeline
    from themis_data.report.ablation import print_ablation

    def note(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    loaded = load_pipeline(pipeline, set_ or ())
    with _train_extra("reading states"):
        seen = features_named(features, out / "states", max_tokens=max_tokens, note=note)
    trial = Trial(features=seen, folds=folds, tested=folds if try_folds is None else try_folds, seed=seed)
    found = compare(
        loaded,
        out,
        trial,
        build=lambda variant, folder: _build(variant, folder, engine=engine),
        steps=[] if whole_only else step,
        gold=gold,
        note=note,
    )
    write_record(out / "ablation.json", found)
    _print_json(found) if as_json else print_ablation(found)


@contextlib.contextmanager
def _train_extra(what: str) -> Iterator[None]:
    """Says which extra to install where a library that it has is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        from themis_data.errors import MissingExtra

        raise MissingExtra(f"{what} needs {error.name}: pip install 'themis-data[train]'") from error


def _build(pipeline: "Pipeline", folder: Path, **settings: Any) -> "Built":
    from datetime import UTC, datetime

    from themis_data.build import build
    from themis_data.report.progress import progress

    with progress() as bars:
        created_at = datetime.now(UTC).isoformat(timespec="seconds")
        return build(pipeline, folder, progress=bars, created_at=created_at, **settings)


def _run_folder(out: Path | None, name: str) -> Path:
    return out if out is not None else Path("runs") / name


def _print_json(content: Any) -> None:
    with _quiet_pipe():
        json.dump(content, sys.stdout, indent=1, default=str)  # ASCII: mined text must not reach a terminal raw
        print()


@contextlib.contextmanager
def _quiet_pipe() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        sys.stderr.close()  # the reader had enough, as with `| head`


if __name__ == "__main__":
    main()
