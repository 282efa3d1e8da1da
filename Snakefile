"""UDD, from data to tables: `snakemake --cores 4`, or one file of it, `snakemake --cores 4 results/tables/policy.tex`.

Which cells there are follows from params.yaml (udd/config/requested.py); a rule is a verb, and calls the module of that
name. How to run is in profiles/.
"""

import sys

from snakemake.utils import min_version

sys.path.insert(0, workflow.basedir)  # the udd beside this file, whatever else is installed
min_version("9.10")

from udd import workflow as flow

flow.readable(f"{workflow.basedir}/params.yaml")


configfile: f"{workflow.basedir}/params.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/cache.smk"
include: "workflow/rules/distill.smk"
include: "workflow/rules/coresets.smk"
include: "workflow/rules/imported.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/utilization.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        [results(path) for path in flow.wanted(params)],


onstart:
    flow.make_folders(params)


onsuccess:
    flow.keep_records(params)
    print(flow.succeeded(params, workflow))


onerror:
    flow.set_aside(workflow)
    flow.give_back(workflow)
    flow.keep_records(params)
    print(flow.failed(workflow), file=sys.stderr)
