"""Real images -> a network of a pool (`networks: pool`), trained once for all the distillations that meet it: its weights after each step."""


rule pool:
    input:
        manifest=results("data/{dataset}.json"),
    output:
        results("pool/{dataset}/{pool}/seed{seed}/network{member}.safetensors"),
    params:
        config=lambda w: flow.pool_config(params, w),
        code=code_digest("udd.proxies.pool"),
    wildcard_constraints:
        pool="[0-9a-f]{12}",
        member=r"\d+",
    log:
        results("logs/pool/{dataset}/{pool}/seed{seed}/network{member}.log"),
    resources:
        gpu=gpu,
    conda:
        "../envs/udd.yaml"
    shell:
        'python -m udd pool --config {params.config:q} --manifest {input.manifest:q} --root "$UDD_DATA" --member {wildcards.member} --out {output:q}'
        " --threads {threads} 2>&1 | (tee -i {log:q} || :)"
