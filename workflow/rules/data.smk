"""Raw data -> a manifest: what is there, its checksums, its statistics. The raw data itself is a cache."""


rule data:
    output:
        results("data/{dataset}.json"),
    params:
        config=lambda w: plan.canonical(plan.dataset_config(params, w.dataset)),
        code=code_digest("udd.data"),
    log:
        results("logs/data/{dataset}.log"),
    conda:
        "../envs/udd.yaml"
    shell:
        'python -m udd data --config {params.config:q} --root "$UDD_DATA" --out {output:q} --threads {threads} 2>&1 | (tee -i {log:q} || :)'
