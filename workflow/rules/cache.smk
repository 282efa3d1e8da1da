"""Real images -> a network of a cache (`networks: cached`): its weights and real gradients at each of its ages,
for all sets that meet it.

What the workflow knows of it is a small record: the network itself, which is large and no result, may be deleted. A set
that is made brings back what it needs (udd distill), and no other set is out of date by that.
"""


rule cache:
    input:
        manifest=results("data/{dataset}.json"),
    output:
        results(f"{caches.RECORDS}/{{dataset}}/{{cache}}/network{{member}}.json"),
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
        'trap : TERM; python -m udd cache --config {params.config:q} --manifest {input.manifest:q}'
        ' --root "$UDD_DATA" --out {params.folder:q}'
        " --member {wildcards.member} --record {output:q} --threads {threads}"
        " 2>&1 | (trap '' TERM; tee -i {log:q} || :)"
