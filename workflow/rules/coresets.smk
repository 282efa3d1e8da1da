"""Random, herding and forgetting: real images chosen -> a set, like any other."""


rule coresets:
    input:
        manifest=results("data/{dataset}.json"),
    output:
        results("synthetic/{dataset}/ipc{ipc}/{variant}/seed{seed}.safetensors"),
    params:
        config=lambda w: flow.set_config(params, w),
        code=lambda w: flow.method_code(params, w),
    wildcard_constraints:
        variant=flow.pick(plan.makers(params, plan.variants(params, *CORESETS))),
    log:
        results("logs/coresets/{dataset}/ipc{ipc}/{variant}/seed{seed}.log"),
    resources:
        gpu=gpu,
    conda:
        "../envs/udd.yaml"
    shell:
        'python -m udd coresets --config {params.config:q} --manifest {input.manifest:q}'
        ' --root "$UDD_DATA" --out {output:q}'
        " --threads {threads} 2>&1 | (tee -i {log:q} || :)"
