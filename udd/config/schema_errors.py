"""What the schema finds in params.yaml, in words: one line with the key, what was found, and what was expected."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from typing import Any

from udd.config.sections import defaults, names


def strict_validator() -> Any:
    """The validator of JSON schemas for which 1.0 is no integer: it would be no seed, path or count."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    whole = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    return extend(Draft202012Validator, type_checker=whole)


def explain(error: Any) -> str:
    """A jsonschema error in one line: key, what was found, what was expected."""
    key = ".".join(str(part) for part in error.absolute_path) or "the file"
    found = error.instance
    if error.validator == "additionalProperties" and isinstance(found, dict):
        known, patterns = list(error.schema.get("properties", {})), error.schema.get("patternProperties", {})
        unknown = next(
            name for name in found if name not in known and not any(re.search(pattern, name) for pattern in patterns)
        )
        elsewhere = [name for name in names() if key.split(".")[-1] in names() and unknown in defaults(name)]
        advice = f"it is one of section {' and of '.join(elsewhere)}" if elsewhere else suggestion(unknown, known)
        return f"unknown key '{unknown}' in {key}; {advice}"
    if error.validator == "enum":
        return f"{key}: found {found!r}; {one_of(found, error.validator_value)}"
    wants_number = error.validator == "type" and error.validator_value in ("number", "integer")
    if wants_number and isinstance(found, str) and looks_like_number(found):
        if not math.isfinite(float(found)):
            return f"{key}: found the text '{found}', expected a finite number"
        if error.validator_value == "integer":
            return (
                f"{key}: found the text '{found}', expected a whole number; write it without quotes, as "
                f"{float(found):.0f}"
            )
        return f"{key}: found the text '{found}', expected a number; YAML needs a point: write {float(found):.1e}"
    return (
        f"{key}: found {found!r}, expected {expectation(error)}"
        if error.validator != "required"
        else f"{key}: {error.message}"
    )


def expectation(error: Any) -> str:
    """What a value should have been, in words, from the failing line of the schema."""
    if error.validator == "type" and error.validator_value == "array":
        return "a list" if isinstance(error.instance, dict) else f"a list, as [{error.instance}]"
    if error.validator == "type" and error.validator_value == "object":
        return "keys and their values"
    if error.validator == "uniqueItems":
        return "each value once"
    words = {
        "minimum": "at least",
        "maximum": "at most",
        "exclusiveMinimum": "more than",
        "exclusiveMaximum": "less than",
    }
    words |= {
        "type": "a value of type",
        "pattern": "text that matches",
        "minItems": "a list no shorter than",
        "minLength": "characters at least:",
        "maxLength": "characters at most:",
    }
    return f"{words.get(error.validator, error.validator)} {error.validator_value}"


def one_of(found: Any, known: Sequence[Any]) -> str:
    """What was meant, of texts and numbers; a number in quotes is one of the numbers."""
    if number := next((value for value in known if isinstance(found, str) and str(value) == found), None):
        return f"write it without quotes, as {number}"
    texts = [value for value in known if isinstance(value, str)]
    close = isinstance(found, str) and difflib.get_close_matches(found, texts, 1)
    unquoted = ", numbers without quotes" if isinstance(found, str) and looks_like_number(found) else ""
    return suggestion(found, texts) if close else f"expected one of {', '.join(map(str, known))}{unquoted}"


def looks_like_number(text: str) -> bool:
    """Whether Python reads the text as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def suggestion(word: str, known: Sequence[str]) -> str:
    """What the user may have meant."""
    close = difflib.get_close_matches(str(word), list(known), 1)
    return f"did you mean '{close[0]}'?" if close else f"expected one of {', '.join(known)}"
