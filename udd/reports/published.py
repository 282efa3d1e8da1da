"""How long the published schedules are, whatever a params.yaml says: in steps on the images."""

from __future__ import annotations

from typing import Any

ALGORITHM_1 = 2000 * 100  # networks x steps on each (Sec. 2.5)
WHOLE = {
    "udd": ALGORITHM_1,
    "idc": ALGORITHM_1,
    "dm": 20_000,
    "dd": 24_000,
    "cafe": 20_000,  # at least
    "kip": 1000,  # of the authors' notebook
    "mtt": 5000,
    "dance": 10_000,
    "ncfm": 20_000,
    "udd_features": 10_000,  # ours, of no paper
}
IMAGENET = 500 * 100  # of IDC's code, whose UDD and IDC are
DSA_NETWORKS = 1000  # at any IPC, whose steps on a network differ


def steps(set_config: dict[str, Any]) -> int:
    """The steps on the images of a set."""
    return set_config["distill"]["outer"] * set_config["distill"]["inner"]


def whole_schedule(set_config: dict[str, Any]) -> int | None:
    """The steps of the published schedule of a set's method, on as many steps a network as it takes; None of a method
    that is not known here."""
    method, kind = set_config["method"], set_config["dataset"]["kind"]
    if method == "dsa":
        return DSA_NETWORKS * set_config["distill"]["inner"]
    return IMAGENET if kind == "imagenet10" and method in ("udd", "idc") else WHOLE.get(method)
