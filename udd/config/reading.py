"""Reading a YAML file as people write it: UTF-8, a mapping, each key once. Whatever is wrong is one line that
names file, key and lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from udd.errors import UserError

MERGE = "tag:yaml.org,2002:merge"


def read_mapping(path: Path | str) -> dict[str, Any]:
    """The mapping in a YAML (or JSON) file. Raises UserError in one line."""
    import yaml

    text = decoded(path)
    text = text.replace("\t", " ") if text.lstrip()[:1] == "{" else text  # JSON may be indented with tabs, YAML may not
    try:
        if repeated := next(repetitions(yaml.compose(text, yaml.SafeLoader)), None):
            key, first, second = repeated
            raise UserError(
                f"{path}: {key}: declared twice, in lines {first} and {second}; the last would win silently: leave one"
            )
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    except (ValueError, RecursionError) as error:  # 2024-13-45 is taken for a date; brackets in brackets without end
        raise UserError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: found {type(found).__name__}, expected a mapping of keys to values")
    return found


def decoded(path: Path | str, advice: str = "run from the repository's root or name it with --params") -> str:
    """The text of a file in UTF-8, with or without a byte order mark. Raises UserError that names the byte that is
    not, and that gives the advice where there is no such file."""
    try:
        data = Path(path).read_bytes()
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {advice}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        kind = (
            "UTF-16"
            if data[:2] in (b"\xff\xfe", b"\xfe\xff")
            else f"byte 0x{data[error.start]:02x} in line {data.count(10, 0, error.start) + 1}"
        )
        raise UserError(
            f"{path}: found {kind}, expected text in UTF-8; save it as UTF-8 (iconv -f OLD -t UTF-8)"
        ) from None


def repetitions(node: Any, place: str = "", within: tuple[int, ...] = ()) -> Iterator[tuple[str, int, int]]:
    """(key with its place, first line, second line) of each key that a mapping of the document has twice;
    `<<` merges are no keys."""
    import yaml

    if id(node) in within:  # an alias of what it stands in
        return
    within = (*within, id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from repetitions(value, f"{place}{number}.", within)
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[tuple[str, str], int] = {}
    for key, value in node.value:
        line, name = key.start_mark.line + 1, str(key.value) if isinstance(key, yaml.ScalarNode) else "a key"
        if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
            if (key.tag, name) in lines:
                yield place + name, lines[key.tag, name], line
            lines[key.tag, name] = line
        yield from repetitions(value, f"{place}{name}.", within)


def typed(value: Any) -> Any:
    """`value` with each text that YAML reads as a number, a truth value or null as that: Snakemake leaves
    what --config says as text."""
    import yaml

    if isinstance(value, dict):
        return {key: typed(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [typed(inner) for inner in value]
    try:
        found = yaml.safe_load(value) if isinstance(value, str) else value
    except (yaml.YAMLError, ValueError):
        return value
    return found if found is None or isinstance(found, (bool, int, float)) else value


def expanded(key: str, path: str) -> str:
    """A path with `~` and `$VARIABLES` as a shell would read it. Raises UserError that names the key if there is
    no such user or variable."""
    found = os.path.expanduser(os.path.expandvars(path))
    if found.startswith("~") or "$" in found:
        raise UserError(
            f"{key}: found '{path}', of which '{found}' remains; expected a path whose ~ and $VARIABLES are known here"
        )
    return found
