"""Real images -> the reference networks, which look; a set (or the real images) -> its mean utilisation by
activation entropy, Eqs. 11 and 12."""


rule proxies:
    input:
        manifest=results("data/{dataset}.json"),
    output:
        results("proxies/{dataset}.safetensors"),
    params:
        config=lambda w: plan.canonical(analysis.reference_config(params, w.dataset)),
        code=code_digest("udd.evaluation.reference"),
    log:
        results("logs/proxies/{dataset}.log"),
    resources:
        gpu=gpu,
    conda:
        "../envs/udd.yaml"
    shell:
        'python -m udd reference --config {params.config:q} --manifest {input.manifest:q}'
        ' --root "$UDD_DATA" --out {output:q}'
        " --threads {threads} 2>&1 | (tee -i {log:q} || :)"


rule utilization:
    input:
        unpack(lambda w: flow.measured(params, w)),
        proxies=results("proxies/{dataset}.safetensors"),
    output:
        results("utilization/{dataset}/ipc{ipc}/{variant}/seed{seed}.json"),
    params:
        config=lambda w: flow.utilization_config(params, w),
        code=code_digest("udd.evaluation.utilization"),
        set=lambda w, input: flow.set_option(input),
    wildcard_constraints:
        variant=flow.pick(params["variants"]),
    log:
        results("logs/utilization/{dataset}/ipc{ipc}/{variant}/seed{seed}.log"),
    resources:
        gpu=gpu,
    conda:
        "../envs/udd.yaml"
    shell:
        "python -m udd utilization --config {params.config:q} --proxies {input.proxies:q} --manifest {input.manifest:q}"
        ' --root "$UDD_DATA" {params.set} --out {output:q} --threads {threads} 2>&1 | (tee -i {log:q} || :)'
