"""The first difference of two configurations, in words."""

import pytest

from udd.config.compare import difference

PLANNED = {"seed": 1, "distill": {"outer": 2, "policy": "vote"}}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (PLANNED, ""),
        (dict(reversed(PLANNED.items())), ""),
        (PLANNED | {"seed": 0}, "seed is 0, planned 1"),
        (PLANNED | {"distill": {"outer": 3, "policy": "all"}}, "distill.outer is 3, planned 2"),
        (PLANNED | {"distill": {"outer": 2}}, "distill.policy is None, planned 'vote'"),
        (PLANNED | {"more": [1]}, "more is [1], planned None"),
        ([1], f"it is [1], planned {PLANNED!r}"),
    ],
)
def test_the_first_difference_is_named_by_its_key(found, words):
    assert difference(found, PLANNED) == words
