"""accuracy.csv -> the paper's tables, and one of cost, in LaTeX (booktabs), Markdown and CSV.

    udd tables                                   # by hand: all tables of params.yaml, into its results/tables
    udd tables --show main                       # print one in Markdown
    udd tables --config TABLE_JSON --accuracy results/accuracy.csv --out-dir results/tables   # as the workflow does

Needs nothing but accuracy.csv (udd.reports.collect): it can be half full, or empty; that of cost also what sets took
(udd.reports.cost). TABLE_JSON is udd.config.drawings.table_config of one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from udd.command import Parser
from udd.config import plan
from udd.config.asked import read_config
from udd.config.drawings import COST, table_config
from udd.config.files import results_folder
from udd.config.params import load as load_params
from udd.errors import UsageError, UserError
from udd.files import write_atomic
from udd.reports import cost, quoted, render
from udd.reports.ablation import ablation
from udd.reports.grid import grid
from udd.reports.layouts import LAYOUTS, Table
from udd.reports.measured import Groups, read
from udd.reports.names import check_told_apart


def table(config: Mapping[str, Any], groups: Groups, results: Path = Path()) -> Table:
    """The table of a configuration; what sets took is read below `results`. Raises UserError for a
    name that is not a table's."""
    if config["table"] not in LAYOUTS:
        raise UserError(f"table {config['table']!r}: unknown; expected one of {', '.join(LAYOUTS)}")
    if config["table"] == COST:
        return cost.table(config, groups, cost.read(config, results))
    layout = LAYOUTS[config["table"]]
    return (grid if layout.methods else ablation)(layout, config, groups, quoted.read(config["table"]))


def write(config: Mapping[str, Any], made: Table, folder: Path) -> None:
    """Write one table's three files."""
    write_atomic(folder / f"{config['table']}.tex", render.tex(config, made))
    write_atomic(folder / f"{config['table']}.md", render.markdown(config, made))
    write_atomic(folder / f"{config['table']}.csv", render.to_csv(made))


def configs(params: plan.Params, name: str | None) -> list[dict[str, Any]]:
    """The configurations of the named table, or of all that params.yaml asks for. Raises UsageError if it does not ask
    for that one, UserError for variants that nobody could tell apart in it."""
    if name is not None and name not in params["tables"]:
        raise UsageError(
            f"table {name}: not under tables in params.yaml; expected one of {', '.join(params['tables'])}"
        )
    check_told_apart(params)
    return [table_config(params, key) for key in ([name] if name else params["tables"])]


def parser() -> Parser:
    """The command line of `udd tables`."""
    made = Parser(prog="udd tables", description="Write the paper's tables with what has been measured.")
    made.add_argument(
        "--config", help="one table's configuration, as JSON or a JSON file; replaces --params and --table"
    )
    made.add_argument("--params", nargs="+", default=["params.yaml"], help="params.yaml and files laid over it")
    made.add_argument("--table", help="one table; by default all")
    made.add_argument("--show", metavar="TABLE", help="print a table in Markdown instead of writing files")
    made.add_argument(
        "--accuracy",
        type=Path,
        help="accuracy.csv of udd.reports.collect; by default that below the parameters' results",
    )
    made.add_argument(
        "--results",
        type=Path,
        help="the tree of results, where it stands what sets took; by default that of the parameters",
    )
    made.add_argument("--out-dir", type=Path, help="where to write; by default tables beside accuracy.csv")
    return made


def run(argv: list[str] | None = None) -> None:
    """Write tables, or show one."""
    args = parser().parse_args(argv)
    config = read_config(args.config)
    params = load_params(args.params) if config is None or args.accuracy is None else {"results": "."}
    wanted = [config] if config else configs(params, args.show or args.table)
    results = args.results or (Path(params["results"]) if args.accuracy else results_folder(params))
    accuracy = args.accuracy or results / "accuracy.csv"
    groups = read(accuracy)
    for each in wanted:
        made = table(each, groups, results)
        if args.show:
            print(render.markdown(each, made), end="")
        else:
            write(each, made, args.out_dir or accuracy.parent / "tables")
