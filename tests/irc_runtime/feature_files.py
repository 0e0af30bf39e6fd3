"""Feature stores in SQLite files for tests."""

import asyncio
from pathlib import Path
from typing import Any

from irc_runtime.features import FeatureRead
from irc_runtime.features.load import load_features
from irc_runtime.features.sqlite import SqliteFeatures

CUSTOMERS = """\
user_id,event_time,name,plan,tickets
u1,2024-01-15T09:00:00Z,Ada,free,0
u1,2024-06-01T12:30:00+02:00,Ada,gold,2
1001,2024-01-01,Bob,free,
"""


def load(store: Path, name: str, text: str = CUSTOMERS, **options: Any) -> None:
    """Put a table into a feature group, by the key ``user_id`` unless options say otherwise."""
    source = store.with_name("source.csv")
    source.write_text(text)
    settings = {"version": 1, "key": ("user_id",), "event_time": "event_time", **options}
    load_features(source, store, name=name, **settings)


def read(
    store: Path,
    name: str,
    key: dict[str, Any] | None = None,
    *,
    as_of: str | None = None,
    optional: bool = False,
    **options: Any,
) -> Any:
    """What one read gives, of the key ``u1`` where none is named; None only where it is optional."""
    key = {"user_id": "u1"} if key is None else key

    async def main() -> Any:
        features = SqliteFeatures(str(store))
        try:
            wanted = FeatureRead(name, key=tuple(key), **options)
            reading = features.find if optional else features.read
            return await reading(wanted, key, as_of=as_of)
        finally:
            await features.close()

    return asyncio.run(main())
