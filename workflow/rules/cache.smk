"""Real images -> a network of a cache (`networks: cached`): its weights and real gradients at each of its ages, for all sets that meet it.

A cache is large and no result: no set is out of date because it is gone (temp), or is made again (ancient in distill.smk); what decides it is in
the set's own configuration and code. The profile keeps it (notemp) until it is deleted by hand.
"""


rule cache:
    input:
        manifest=results("data/{dataset}.json"),
    output:
        temp(results("cache/{dataset}/{cache}/network{member}.safetensors")),
    params:
        config=lambda w: flow.cache_config(params, w),
        code=code_digest("udd.proxies.caching"),
        folder=results("cache/{dataset}/{cache}"),
    wildcard_constraints:
        cache="[0-9a-f]{12}",
        member=r"\d+",
    log:
        results("logs/cache/{dataset}/{cache}/network{member}.log"),
    resources:
        gpu=gpu,
    conda:
        "../envs/udd.yaml"
    shell:
        'trap : TERM; python -m udd cache --config {params.config:q} --manifest {input.manifest:q} --root "$UDD_DATA" --out {params.folder:q}'
        " --member {wildcards.member} --threads {threads} 2>&1 | (trap '' TERM; tee -i {log:q} || :)"
