"""A set (or the full data set) -> the test accuracy of networks trained on it. A further network joins
those that the record holds."""


rule evaluate:
    input:
        unpack(lambda w: flow.measured(params, w)),
    output:
        update(results("accuracy/{dataset}/ipc{ipc}/{variant}/seed{seed}/{protocol}/{architecture}.json")),
    params:
        config=lambda w: flow.evaluation_config(params, w),
        code=lambda w: flow.evaluation_code(params, w),
        set=lambda w, input: flow.set_option(input),
    wildcard_constraints:
        variant=flow.pick(params["variants"]),
    log:
        results("logs/evaluate/{dataset}/ipc{ipc}/{variant}/seed{seed}/{protocol}/{architecture}.log"),
    resources:
        gpu=gpu,
    conda:
        "../envs/udd.yaml"
    shell:
        'python -m udd evaluate --config {params.config:q} --manifest {input.manifest:q}'
        ' --root "$UDD_DATA" {params.set}'
        " --out {output:q} --threads {threads} 2>&1 | (tee -i {log:q} || :)"
