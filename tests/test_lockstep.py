"""Jobs that share their work: who makes what, what is taken, what is left when something fails."""

import threading
from pathlib import Path

import pytest

from udd.cli import UserError
from udd.files import try_lock
from udd.runs import lockstep, shelf

MODULE = "udd.methods.udd"


def key(config: dict) -> str:
    return str(config["group"])


def pending(*groups: int) -> list[dict]:
    return [{"group": group, "number": number} for number, group in enumerate(groups)]


def companies(path: Path, *groups: int, each: int = 1, begun=()) -> list[list[int]]:
    lockstep.write_plan(path, pending(*groups), key, each, begun)
    return [[member["number"] for member in company.members] for company in lockstep.read_plan(path)]


class Workshop:
    """Makes results by writing them on a shelf, and remembers who was made together."""

    def __init__(self, folder: Path):
        self.folder, self.plan, self.made = folder, folder / "plan.json", []

    def place(self, config: dict) -> Path:
        return shelf.place(self.folder, config, MODULE, "data", ".txt")

    def make(self, configs: list[dict]) -> None:
        self.made.append([config["number"] for config in configs])
        for config in configs:
            self.place(config).write_text(str(config["number"]))

    def job(self, config: dict) -> str:
        out = self.folder / "out" / str(config["number"])
        lockstep.share(config, self.plan, lambda: shelf.take(self.place(config), out), self.make)
        return out.read_text()


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def test_companies_share_a_key_and_are_dealt_out(tmp_path):
    plan = tmp_path / "plan.json"
    assert companies(plan, 0, 0, 1, 0, 0) == [[0, 1, 3, 4], [2]]
    assert companies(plan, 0, 0, 1, 0, 0, each=2) == [[0, 3], [1, 4], [2]]
    assert companies(plan) == []
    assert lockstep.read_plan(tmp_path / "absent.json") == []


def test_a_company_with_a_checkpoint_stays_together_while_one_of_it_is_wanted(tmp_path):
    plan, old, orphan = tmp_path / "plan.json", pending(0, 0, 0)[1:], [{"group": 7, "number": 70}]
    assert companies(plan, 0, 0, begun=[old, orphan]) == [[1, 2], [0]]


def test_one_job_makes_its_company_and_the_others_take(workshop):
    first, second, other = pending(0, 0, 1)
    lockstep.write_plan(workshop.plan, [first, second, other], key, 1)
    assert [workshop.job(config) for config in (second, first, other)] == ["1", "0", "2"]
    assert workshop.made == [[0, 1], [2]]


def test_what_nobody_planned_is_made_alone(workshop):
    assert workshop.job({"group": 0, "number": 5}) == "5"
    assert workshop.made == [[5]]


def test_a_result_that_was_taken_is_made_again_alone(workshop):
    configs = pending(0, 0)
    lockstep.write_plan(workshop.plan, configs, key, 1)
    assert [workshop.job(configs[0]) for _ in range(2)] == ["0", "0"]
    assert workshop.made == [[0, 1], [0]]


def test_a_result_that_is_made_between_two_looks_is_not_made_again(workshop):
    """Another process lays it down and says so after this one has looked for it, and before it asks whether its company is done."""
    configs, looks = pending(0, 0), []
    lockstep.write_plan(workshop.plan, configs, key, 1)
    company = lockstep.read_plan(workshop.plan)[0]

    def take() -> bool:
        looks.append(len(looks))
        if len(looks) == 1:
            company.done.touch()
            return False
        return len(looks) == 2

    lockstep.share(configs[0], workshop.plan, take, workshop.make)
    assert workshop.made == [] and looks == [0, 1]


def test_a_company_is_known_by_its_members_whatever_else_was_planned(workshop):
    """Two runs of the workflow in one folder, each with its own plan: neither waits for the other's company, nor takes it for its own."""
    ours, theirs = pending(0), pending(1)
    done = []
    for configs in (theirs, ours):
        lockstep.write_plan(workshop.plan, configs, key, 1)
        done += [company.done for company in lockstep.read_plan(workshop.plan)]
    with try_lock(done[0]):
        assert workshop.job(ours[0]) == "0"
    assert len(set(done)) == 2 and workshop.made == [[0]]


def test_a_new_plan_forgets_what_the_last_one_did(workshop):
    configs = pending(0, 0)
    for _ in range(2):
        lockstep.write_plan(workshop.plan, configs, key, 1)
        assert [workshop.job(config) for config in configs] == ["0", "1"]
    assert workshop.made == [[0, 1], [0, 1]]


def test_while_another_process_makes_its_company_a_job_makes_one_that_is_free(workshop):
    configs = pending(0, 0, 0, 0)
    lockstep.write_plan(workshop.plan, configs, key, 2)
    own = lockstep.read_plan(workshop.plan)[0]
    with try_lock(own.done) as free:
        assert free
        waiting = threading.Thread(target=workshop.job, args=(configs[0],))
        waiting.start()
        while [1, 3] not in workshop.made:
            assert waiting.is_alive()
        workshop.make(own.members)  # as the other process would
    waiting.join(10)
    assert not waiting.is_alive() and workshop.made == [[1, 3], [0, 2]]


def test_a_failure_is_said_once_to_the_job_that_asks_for_it(workshop):
    good, bad = pending(0, 0)
    workshop.make([good])
    shelf.fail(workshop.place(bad), "no number")
    assert workshop.job(good) == "0"
    with pytest.raises(UserError, match="no number"):
        workshop.job(bad)
    assert workshop.job(bad) == "1"


def test_a_company_is_found_again_by_its_checkpoint(tmp_path):
    configs, gone = pending(0, 0), pending(1)
    lockstep.checkpoint_path(tmp_path, configs, MODULE, "data").write_text("state")
    lockstep.checkpoint_path(tmp_path, gone, MODULE, "data")
    (tmp_path / "earlier.json").write_text("[{}]")  # as an earlier version wrote them
    assert lockstep.begun(tmp_path, MODULE) == [configs]
    assert lockstep.begun(tmp_path, "udd.evaluation.accuracy") == []
