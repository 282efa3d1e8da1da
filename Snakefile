"""UDD, from data to tables: `snakemake --cores 4`, or one file of it, `snakemake --cores 4 results/tables/policy.tex`.

Which cells there are follows from params.yaml (udd/plan.py); a rule is a verb, and calls the module of that name. How to run is in profiles/.
"""

import sys

sys.path.insert(0, workflow.basedir)  # the udd beside this file, whatever else is installed

from snakemake.utils import min_version

min_version("9.0")


configfile: f"{workflow.basedir}/params.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/distill.smk"
include: "workflow/rules/coresets.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/utilization.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        [results(f"accuracy/{r.path}") for r in plan.all_records(params)],
