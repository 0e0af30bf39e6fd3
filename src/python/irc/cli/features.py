"""``irc features``: the embedded feature store."""

from pathlib import Path

import click

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def features() -> None:
    """Fill the embedded feature store."""


@features.command()
@click.argument("source", metavar="FILE", type=_FILE)
@click.option(
    "--store", required=True, help="The SQLite file, made where missing; or sqlite:///FILE."
)
@click.option("--name", required=True, help="The feature group.")
@click.option("--version", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--key", "keys", multiple=True, required=True, help="A key column; give each once.")
@click.option("--event-time", required=True, help="The column that says when a row became true.")
@click.option("--replace", is_flag=True, help="Drop the group's former rows and columns.")
def load(
    source: Path,
    store: str,
    name: str,
    version: int,
    keys: tuple[str, ...],
    event_time: str,
    replace: bool,
) -> None:
    """Load a CSV or Parquet file into a feature group, all of it or nothing.

    In CSV, a column's type is the narrowest that fits all its cells: integer, number, boolean,
    JSON, text; an empty cell is null. Times are RFC 3339, or whole numbers of seconds or
    milliseconds. A row of the same key and event time as one that is there takes its place.
    """
    # The compiler does not depend on the runtime; this command alone is a door to it.
    from irc_runtime.errors import FeatureStoreError
    from irc_runtime.features import SQLITE
    from irc_runtime.features.load import load_features
    from irc_runtime.features.tables import TableError

    try:
        loaded = load_features(
            source,
            Path(store.removeprefix(SQLITE)),
            name=name,
            version=version,
            key=keys,
            event_time=event_time,
            replace=replace,
        )
    except (FeatureStoreError, TableError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(
        f"{store}: {name} version {version}: {loaded.rows} rows loaded, {loaded.total} in all"
    )
