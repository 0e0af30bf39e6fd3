"""What differs between two images: documents by field, layers by what they hold.

Layers are paired before they are compared: those with the same archive, then those of one role that
share the most paths. What is left over was added or removed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from irc.oci.comparison.listing import Entry, Listing, read_listing
from irc.oci.comparison.view import ImageView, LayerView, SourceView
from irc.oci.sources import Source

Status = Literal["added", "removed", "changed"]


@dataclass(frozen=True)
class FieldChange:
    """A field of a document; None where it is not there."""

    path: str
    old: Any
    new: Any


@dataclass(frozen=True)
class FileChange:
    """A path of two layers; ``fields`` say what differs, for a path that both have."""

    path: str
    status: Status
    old: Entry | None
    new: Entry | None
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True)
class LayerChange:
    """A layer of one image, or two that belong together.

    Attributes:
        note: what differs when no file does.
        file_count: files of a layer that was added or removed.
    """

    status: Status
    old: LayerView | None
    new: LayerView | None
    files: tuple[FileChange, ...] = ()
    note: str | None = None
    file_count: int = 0


@dataclass(frozen=True)
class ImageChange:
    """The images of one platform; None for the one that is not there."""

    platform: str
    old: ImageView | None
    new: ImageView | None
    config: tuple[FieldChange, ...] = ()
    annotations: tuple[FieldChange, ...] = ()
    layers: tuple[LayerChange, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """All that differs; ``others`` is what is no image, by its type."""

    images: tuple[ImageChange, ...]
    others: tuple[FieldChange, ...]

    @property
    def is_equal(self) -> bool:
        return not (self.images or self.others)


def compare(old: SourceView, new: SourceView) -> Comparison:
    """Compare all images of two sources, by platform.

    Raises:
        ImageError: a layer that has to be read is missing or damaged.
    """
    images = []
    for platform in sorted(old.images.keys() | new.images.keys()):
        first, second = old.images.get(platform), new.images.get(platform)
        if first is None or second is None:
            images.append(ImageChange(platform, first, second))
        elif first.digest != second.digest:
            images.append(_compare_images(platform, (old.source, first), (new.source, second)))
    others = _fields(dict(old.others), dict(new.others))
    return Comparison(tuple(images), tuple(others))


def _compare_images(
    platform: str, old: tuple[Source, ImageView], new: tuple[Source, ImageView]
) -> ImageChange:
    return ImageChange(
        platform,
        old[1],
        new[1],
        tuple(_fields(_comparable(old[1].config), _comparable(new[1].config))),
        tuple(_fields(old[1].annotations, new[1].annotations)),
        tuple(_compare_layers(old, new)),
    )


def _comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without its layers, and with variables by name."""
    settings = dict(config.get("config") or {})
    if settings.get("Env"):
        settings["Env"] = dict(line.partition("=")[::2] for line in settings["Env"])
    return {**config, "config": settings, "rootfs": None}


def _fields(old: Any, new: Any, path: str = "") -> Iterator[FieldChange]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            inner = f"{path}.{key}" if path else str(key)
            yield from _fields(old.get(key), new.get(key), inner)
    elif old != new:
        yield FieldChange(path, old, new)


def _compare_layers(
    old: tuple[Source, ImageView], new: tuple[Source, ImageView]
) -> Iterator[LayerChange]:
    before, after = _without_equal(old[1].layers, new[1].layers)
    listings = {
        **{("old", layer.name): read_listing(old[0], layer) for layer in before},
        **{("new", layer.name): read_listing(new[0], layer) for layer in after},
    }
    pairs = _pairs(before, after, listings)
    for layer in before:
        if layer.name not in pairs:
            count = _file_count(listings["old", layer.name])
            yield LayerChange("removed", layer, None, file_count=count)
    for layer in after:
        partner = next((item for item in before if pairs.get(item.name) == layer.name), None)
        listing = listings["new", layer.name]
        if partner is None:
            yield LayerChange("added", None, layer, file_count=_file_count(listing))
        else:
            files = tuple(_compare_files(listings["old", partner.name], listing))
            note = None if files else "the same entries in another order or encoding"
            yield LayerChange("changed", partner, layer, files, note)
    yield from _packed_otherwise(old[1].layers, new[1].layers)


def _without_equal(
    old: Sequence[LayerView], new: Sequence[LayerView]
) -> tuple[list[LayerView], list[LayerView]]:
    """The layers whose archive the other image does not have."""
    before, after = ({layer.diff_id for layer in layers} for layers in (old, new))
    return (
        [layer for layer in old if layer.diff_id not in after],
        [layer for layer in new if layer.diff_id not in before],
    )


def _packed_otherwise(old: Sequence[LayerView], new: Sequence[LayerView]) -> Iterator[LayerChange]:
    """Layers with the same archive that are compressed in another way, or lie elsewhere."""
    after = {layer.diff_id: layer for layer in new}
    for layer in old:
        other = after.get(layer.diff_id)
        if other is not None and None not in (layer.size, other.size) and layer.name != other.name:
            yield LayerChange(
                "changed", layer, other, note="the same archive, compressed otherwise"
            )
    shared = after.keys() & {layer.diff_id for layer in old}
    orders = [[item.diff_id for item in layers if item.diff_id in shared] for layers in (old, new)]
    if orders[0] != orders[1]:
        first = next(diff_id for diff_id, there in zip(*orders, strict=False) if diff_id != there)
        moved = next(item for item in old if item.diff_id == first)
        yield LayerChange("changed", moved, after[moved.diff_id], note="layers in another order")


def _pairs(
    before: Sequence[LayerView],
    after: Sequence[LayerView],
    listings: Mapping[tuple[str, str], Listing],
) -> dict[str, str]:
    """Which new layer stands for which old one: those of one role with the most paths in common."""
    scores = []
    for i, old in enumerate(before):
        for j, new in enumerate(after):
            if old.role != new.role and None not in (old.role, new.role):
                continue
            first, second = listings["old", old.name].keys(), listings["new", new.name].keys()
            common = {path for path in first & second if not _is_folder(listings, old, path)}
            if common:
                scores.append((-len(common) / len(first | second), i, j))
    pairs: dict[str, str] = {}
    for _, i, j in sorted(scores):
        if before[i].name not in pairs and after[j].name not in pairs.values():
            pairs[before[i].name] = after[j].name
    return pairs


def _is_folder(listings: Mapping[tuple[str, str], Listing], layer: LayerView, path: str) -> bool:
    return listings["old", layer.name][path].kind == "folder"


def _file_count(listing: Listing) -> int:
    return sum(entry.kind != "folder" for entry in listing.values())


def _compare_files(old: Listing, new: Listing) -> Iterator[FileChange]:
    for path in sorted(old.keys() | new.keys()):
        first, second = old.get(path), new.get(path)
        if first is None:
            yield FileChange(path, "added", None, second)
        elif second is None:
            yield FileChange(path, "removed", first, None)
        elif first != second:
            fields = tuple(_entry_fields(first, second))
            yield FileChange(path, "changed", first, second, fields)


def _entry_fields(old: Entry, new: Entry) -> Iterator[FieldChange]:
    if old.kind != new.kind:
        yield FieldChange("kind", old.kind, new.kind)
    if old.content != new.content:
        yield FieldChange("content", old.content, new.content)
    if old.mode != new.mode:
        yield FieldChange("mode", f"{old.mode:04o}", f"{new.mode:04o}")
    for name in ("size", "owner", "link", "mtime", "attributes"):
        first, second = getattr(old, name), getattr(new, name)
        if first != second:
            yield FieldChange(name, first, second)
