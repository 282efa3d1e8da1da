"""A set (or the full data set) -> the test accuracy of one network trained on it: one record a run.

The networks of one set are trained in one process by the first of their jobs, which leaves the records on the shelf for the others.
"""


rule evaluate:
    input:
        unpack(lambda w: flow.measured(params, w)),
    output:
        results("accuracy/{dataset}/ipc{ipc}/{variant}/seed{seed}/{protocol}/{architecture}/network{network}.json"),
    params:
        config=lambda w: flow.evaluation_config(params, w),
        code=code_digest("udd.evaluation.accuracy"),
        set=lambda w, input: flow.set_option(input),
        shelf=results("shelf"),
    wildcard_constraints:
        variant=flow.pick(params["variants"]),
    log:
        results("logs/evaluate/{dataset}/ipc{ipc}/{variant}/seed{seed}/{protocol}/{architecture}/network{network}.log"),
    resources:
        gpu=gpu,
    conda:
        "../envs/udd.yaml"
    shell:
        "{{ python -m udd.runs.take --module udd.evaluation.accuracy --config {params.config:q} --inputs {input:q} --shelf {params.shelf:q} --out {output:q} ||"
        ' python -m udd.evaluation.accuracy --config {params.config:q} --manifest {input.manifest:q} --root "$UDD_DATA" {params.set} --shelf {params.shelf:q}'
        " --out {output:q} --threads {threads}; }} 2>&1 | (tee -i {log:q} || :)"
