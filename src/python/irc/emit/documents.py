"""What the documents of a deployment have in common: how they are written, and what variables hold."""

from typing import Any

import yaml


def yaml_document(document: Any) -> str:
    """A document as YAML, in the order of its keys."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def variable_text(value: Any) -> str:
    """An environment variable is text; a YAML boolean is written as YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Dumper(yaml.CSafeDumper):
    """Writes every value in full: aliases are valid, and nobody wants to read them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
