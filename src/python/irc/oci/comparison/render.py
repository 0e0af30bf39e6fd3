"""Comparisons as text for people, and as JSON for tools."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from irc.oci.comparison.compare import (
    Comparison,
    FieldChange,
    FileChange,
    ImageChange,
    LayerChange,
)
from irc.oci.comparison.listing import Entry
from irc.oci.comparison.view import ImageView, LayerView

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_MAX_VALUE_COLUMNS = 60
_DIGEST_COLUMNS = len("sha256:") + 12


def render_text(comparison: Comparison) -> str:
    """One line a change, most general first; nothing where there is none."""
    lines: list[str] = []
    for image in comparison.images:
        lines += _image_lines(image)
    lines += (f"other content, {line}" for line in map(_field_line, comparison.others))
    return "".join(f"{line}\n" for line in lines)


def _image_lines(image: ImageChange) -> Iterator[str]:
    if image.old is None or image.new is None:
        view = image.new if image.old is None else image.old
        sign = "+" if image.old is None else "-"
        yield f"{sign} image for {image.platform}: {view.digest if view else ''}"
        return
    yield f"~ image for {image.platform}: {image.old.digest} -> {image.new.digest}"
    for title, fields in (("config", image.config), ("annotations", image.annotations)):
        if fields:
            yield f"  {title}"
            yield from (f"    {_field_line(field)}" for field in fields)
    if image.layers:
        yield "  layers"
    for layer in image.layers:
        yield f"    {_layer_line(layer)}"
        yield from (f"      {_file_line(file)}" for file in layer.files)


def _layer_line(change: LayerChange) -> str:
    sign = _SIGNS[change.status]
    if change.old is None or change.new is None:
        layer = change.new if change.old is None else change.old
        assert layer is not None  # one of the two is there
        return f"{sign} {_named(layer)}: {_sized(layer)}, {change.file_count} files"
    note = f"; {change.note}" if change.note else ""
    return f"{sign} {_named(change.new)}: {_sized(change.old)} -> {_sized(change.new)}{note}"


def _named(layer: LayerView) -> str:
    return layer.role or "layer"


def _sized(layer: LayerView) -> str:
    size = "" if layer.size is None else f" ({layer.size} bytes)"
    return f"{layer.diff_id[:_DIGEST_COLUMNS]}{size}"


def _file_line(change: FileChange) -> str:
    head = f"{_SIGNS[change.status]} {change.path}"
    if change.status != "changed":
        return head
    return f"{head}: {', '.join(_difference(field) for field in change.fields)}"


def _difference(field: FieldChange) -> str:
    if field.path == "content":
        return "content"
    return f"{field.path} {_shown(field.old)} -> {_shown(field.new)}"


def _field_line(field: FieldChange) -> str:
    if field.old is None:
        return f"+ {field.path}: {_shown(field.new)}"
    if field.new is None:
        return f"- {field.path}: {_shown(field.old)}"
    return f"~ {field.path}: {_shown(field.old)} -> {_shown(field.new)}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE_COLUMNS else f"{text[: _MAX_VALUE_COLUMNS - 1]}…"


def render_json(comparison: Comparison) -> str:
    """An object with ``equal``, and ``images`` and ``others``, which are empty where nothing differs."""
    document = {
        "equal": comparison.is_equal,
        "images": [_image_json(image) for image in comparison.images],
        "others": _fields_json(comparison.others),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _image_json(image: ImageChange) -> dict[str, Any]:
    return {
        "platform": image.platform,
        "old": _digest(image.old),
        "new": _digest(image.new),
        "config": _fields_json(image.config),
        "annotations": _fields_json(image.annotations),
        "layers": [_layer_json(layer) for layer in image.layers],
    }


def _digest(image: ImageView | None) -> str | None:
    return None if image is None else image.digest


def _fields_json(fields: Sequence[FieldChange]) -> list[dict[str, Any]]:
    return [{"path": field.path, "old": field.old, "new": field.new} for field in fields]


def _layer_json(change: LayerChange) -> dict[str, Any]:
    return {
        "status": change.status,
        "old": _view_json(change.old),
        "new": _view_json(change.new),
        "note": change.note,
        "files": [
            {
                "path": file.path,
                "status": file.status,
                "old": _entry_json(file.old),
                "new": _entry_json(file.new),
                "differs": [field.path for field in file.fields],
            }
            for file in change.files
        ],
    }


def _view_json(layer: LayerView | None) -> dict[str, Any] | None:
    if layer is None:
        return None
    return {
        "role": layer.role,
        "digest": layer.name if layer.name.startswith("sha256:") else None,
        "diff_id": layer.diff_id,
        "size": layer.size,
    }


def _entry_json(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {
        "kind": entry.kind,
        "mode": f"{entry.mode:04o}",
        "owner": entry.owner,
        "mtime": entry.mtime,
        "link": entry.link or None,
        "size": entry.size,
        "content": entry.content,
        "attributes": dict(entry.attributes),
    }
