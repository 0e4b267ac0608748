"""`holdout evaluate`: every head on a file or folder of acts, under its papers' protocol."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    path: Annotated[Path, typer.Argument(help="A file of acts, or a folder with train and test files.")],
    form: Annotated[
        str | None,
        typer.Option("--format", help="pairs, lists, triples, hours or behaviours; seen from the content if left out."),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="leave_one_out, given_split, ratio_split, leave_items_out or new_items; the form's own if left out."
        ),
    ] = None,
    friends: Annotated[Path | None, typer.Option(help="A file of friends: `user user` a line.")] = None,
    attributes: Annotated[Path | None, typer.Option(help="What items are: `item attribute ...` a line.")] = None,
    groups: Annotated[Path | None, typer.Option(help="A folder with groupMember.txt and groups' acts.")] = None,
    models: Annotated[str, typer.Option(help="all, linear, or names with commas.")] = "all",
    minutes: Annotated[float, typer.Option(min=0.01, help="Of CPU that a model may be fitted.")] = 30.0,
    seeds: Annotated[int, typer.Option(min=1, max=20, help="How many; the median is printed.")] = 3,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Compare every model on the acts in PATH: full ranking, recall, hit rate and NDCG, and which one to serve."""
    from recsys.evaluation.comparison import compare
    from recsys.evaluation.protocols import split
    from recsys.evaluation.sources import load, load_groups, with_files
    from recsys.evaluation.table import as_text, write_json

    acts = load_groups(groups, path if path.is_file() else None) if groups else load(path, form)
    source = with_files(acts, friends, attributes)
    kind = protocol or source.protocol
    found = compare(
        lambda seed: split(source, kind, seed),
        _names(models),
        seeds=seeds,
        seconds=60 * minutes,
        progress=lambda message: typer.echo(message, err=True),
    )
    typer.echo(write_json(found, source.note) if json else as_text(found, source.note))
    if found.to_serve is None:
        raise typer.Exit(1)


def _names(models: str) -> list[str]:
    """The heads that were asked for; a name that is not known is refused."""
    from recsys.heads import head, known_heads

    known = known_heads()
    if models in ("all", "linear"):
        return [name for name, kind in known.items() if models == "all" or kind.linear]
    return [head(name.strip()).name for name in models.split(",")]
