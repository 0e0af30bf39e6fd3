import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from irc.cli.features import features as features_command
from irc_runtime.errors import FeatureStoreError
from irc_runtime.features import FeatureRead, FeatureStore
from irc_runtime.features.instants import to_microseconds, to_text
from irc_runtime.features.load import Loaded, load_features
from irc_runtime.features.sqlite import SqliteFeatures
from irc_runtime.features.tables import TableError


def load(folder: Path, text: str, *, name: str = "g", replace: bool = False) -> Loaded:
    source = folder / "source.csv"
    source.write_bytes(text.encode() if isinstance(text, str) else text)
    store = folder / "f.db"
    return load_features(
        source, store, name=name, version=1, key=("k",), event_time="t", replace=replace
    )


def row(folder: Path, key: str) -> dict[str, Any]:
    async def main() -> dict[str, Any]:
        features: FeatureStore = SqliteFeatures(str(folder / "f.db"))
        try:
            return await features.read(FeatureRead("g", key=("k",)), {"k": key})
        finally:
            await features.close()

    return asyncio.run(main())


def test_columns_have_the_narrowest_type_that_fits(tmp_path: Path) -> None:
    text = (
        "k,t,int,float,flag,vector,text,zip\n"
        'a,2024-01-01,1,1,TRUE,"[1.5, 2]",1,01234\n'
        "b,2024-01-01,-2,2.5,false,[],x,99999\n"
        "c,2024-01-01,,,,,,\n"
    )
    assert load(tmp_path, text).rows == 3
    first = row(tmp_path, "a")
    assert list(first.values())[2:] == [1, 1.0, True, [1.5, 2], "1", "01234"]
    assert isinstance(first["float"], float)
    assert set(list(row(tmp_path, "c").values())[2:]) == {None}


def test_quotes_line_breaks_and_a_byte_order_mark_are_csv(tmp_path: Path) -> None:
    load(tmp_path, '\ufeffk,t,text\r\na,2024-01-01,"one ""two""\r\nthree"\r\n\r\n')
    assert row(tmp_path, "a")["text"] == 'one "two"\r\nthree'


def test_loading_again_replaces_equal_rows_and_keeps_the_others(tmp_path: Path) -> None:
    load(tmp_path, "k,t,x\na,2024-01-01,1\nb,2024-01-01,1\n")
    loaded = load(tmp_path, "k,t,x\na,2024-01-01,2\na,2024-01-02,3\n")
    assert (loaded.rows, loaded.total) == (2, 3)
    assert row(tmp_path, "a")["x"] == 3
    assert row(tmp_path, "b")["x"] == 1


def test_a_group_keeps_its_columns_unless_it_is_replaced(tmp_path: Path) -> None:
    load(tmp_path, "k,t,x\na,2024-01-01,1\n")
    with pytest.raises(FeatureStoreError, match="columns k, t, x; the file has k, t, y"):
        load(tmp_path, "k,t,y\na,2024-01-01,1\n")
    assert load(tmp_path, "k,t,y\na,2024-01-01,1\n", replace=True).total == 1
    assert row(tmp_path, "a")["y"] == 1


def test_all_bad_rows_are_reported_with_their_lines_and_nothing_is_kept(tmp_path: Path) -> None:
    load(tmp_path, "k,t,x\na,2024-01-01,1\n")
    with pytest.raises(TableError) as caught:
        load(tmp_path, "k,t,x\na,2024-01-01,2\nb,soon,1\n,2024-01-01,1\nc,,1\n")
    source = tmp_path / "source.csv"
    assert caught.value.problems == (
        f"{source}:3: column 't': 'soon' is not an RFC 3339 time",
        f"{source}:4: key column 'k' of 'g' version 1 is empty",
        f"{source}:5: column 't' is empty: a row needs its event time",
    )
    assert row(tmp_path, "a")["x"] == 1


def test_many_bad_rows_are_cut_short(tmp_path: Path) -> None:
    with pytest.raises(TableError) as caught:
        load(tmp_path, "k,t\n" + "a,soon\n" * 1000)
    assert len(caught.value.problems) == 21


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("k,x\na,1\n", "no column 't'; there is k, x"),
        ("k,t,k\n", "several columns are called 'k'"),
        ("k,,t\n", ":1: column 2 has no name"),
        ("k,t\na\n", ":2: 1 cells, but the header has 2 columns"),
        ('k,t\n"a,2024\n', "source.csv:"),
    ],
)
def test_a_malformed_file_is_refused_and_leaves_no_store(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(TableError, match=message):
        load(tmp_path, text)
    assert [path.name for path in tmp_path.iterdir()] == ["source.csv"]


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "source.csv"
    source.write_bytes(b"k,t\n\xff\xfe,2024-01-01\n")
    with pytest.raises(TableError, match="not UTF-8"):
        load_features(source, tmp_path / "f.db", name="g", version=1, key=("k",), event_time="t")


def test_a_store_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f.db").write_text("some text that is no database " * 40)
    with pytest.raises(FeatureStoreError, match="not a database"):
        load(tmp_path, "k,t\na,2024-01-01\n")
    assert (tmp_path / "f.db").read_text().startswith("some text")


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    moment = datetime(2024, 1, 1, 12, tzinfo=UTC)
    table = pyarrow.table(
        {"k": [7], "t": [moment], "x": ["007"], "v": [[1.0, 2.0]], "when": [moment], "n": [None]}
    )
    parquet.write_table(table, tmp_path / "source.parquet")
    loaded = load_features(
        tmp_path / "source.parquet",
        tmp_path / "f.db",
        name="g",
        version=1,
        key=("k",),
        event_time="t",
    )
    assert loaded.columns == ("k", "t", "x", "v", "when", "n")
    noon = "2024-01-01T12:00:00Z"
    assert list(row(tmp_path, "7").values()) == [7, noon, "007", [1.0, 2.0], noon, None]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2024-01-01", "2024-01-01T00:00:00Z"),
        ("20240101", "2024-01-01T00:00:00Z"),
        ("2024-01-01T02:00:00.5+02:00", "2024-01-01T00:00:00.500000Z"),
        (1704067200, "2024-01-01T00:00:00Z"),
        ("1704067200", "2024-01-01T00:00:00Z"),
        (1704067200123, "2024-01-01T00:00:00.123000Z"),
        (datetime(2024, 1, 1), "2024-01-01T00:00:00Z"),
    ],
)
def test_instants_have_many_forms(value: object, text: str) -> None:
    assert to_text(to_microseconds(value)) == text


def test_the_command_loads_and_reports(tmp_path: Path) -> None:
    source = tmp_path / "customers.csv"
    source.write_text("k,t,x\na,2024-01-01,1\n")
    store = tmp_path / "f.db"
    arguments = ["load", str(source), "--store", f"sqlite:///{store}", "--name", "g"]
    arguments += ["--version", "1", "--key", "k", "--event-time", "t"]
    result = CliRunner().invoke(features_command, arguments)
    assert (result.exit_code, "1 rows loaded, 1 in all" in result.output) == (0, True)
    source.write_text("k,t,x\na,never,1\n")
    result = CliRunner().invoke(features_command, arguments)
    assert result.exit_code == 1
    assert f"Error: {source}:2: column 't'" in result.output
