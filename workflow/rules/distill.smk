"""A method (Algorithm 1): real images -> a synthetic set, with the curves of its losses. Goes on from its
checkpoint if it was cut.

SIGTERM, by which a queue tells a job that its time is over, leaves alone who listens (tee), so that the checkpoint can
be written.
"""


rule distill:
    input:
        manifest=results("data/{dataset}.json"),
        cache=lambda w: flow.cache_of(params, w),
    output:
        set=results("synthetic/{dataset}/ipc{ipc}/{variant}/seed{seed}.safetensors"),
        curve=results("curves/{dataset}/ipc{ipc}/{variant}/seed{seed}.csv"),
    params:
        config=lambda w: flow.set_config(params, w),
        code=lambda w: flow.method_code(params, w),
        checkpoints=results("checkpoints/{dataset}/ipc{ipc}/{variant}"),
        cache=lambda w: flow.cache_option(params, w),
    wildcard_constraints:
        variant=flow.pick(plan.makers(params, plan.distilled(params))),
    log:
        results("logs/distill/{dataset}/ipc{ipc}/{variant}/seed{seed}.log"),
    resources:
        gpu=gpu,
    conda:
        "../envs/udd.yaml"
    shell:
        'trap : TERM; python -m udd distill --config {params.config:q} --manifest {input.manifest:q}'
        ' --root "$UDD_DATA" --out {output.set:q} --curve {output.curve:q} --checkpoints {params.checkpoints:q}'
        " {params.cache} --threads {threads} $UDD_DISTILL_OPTIONS"
        " 2>&1 | (trap '' TERM; tee -i {log:q} || :)"
