"""Shared by all rules: the checked parameters, where results lie, what wildcards may be, how many GPUs a job takes."""

from udd.config import caches, drawings as analysis, plan, requested
from udd.config.sections import CORESETS
from udd.provenance import code_digest

params = flow.checked(config, workflow)
flow.prepare_environment(params, workflow.basedir)
flow.may_queue_again(workflow)
results = flow.under(params["results"])
gpu = flow.gpus_a_job(workflow)
flow.restore_records(workflow, params)
flow.reportable(params)


wildcard_constraints:
    dataset=flow.pick(params["datasets"]),
    ipc=r"[1-9]\d*|all",
    seed=r"\d+",
    protocol=flow.pick(params["protocols"]),
    architecture="[a-z0-9]+",
