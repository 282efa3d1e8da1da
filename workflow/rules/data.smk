"""Raw data -> a manifest: what is there, its checksums, its statistics. Made again when the raw files are others."""


rule data:
    output:
        update(results("data/{dataset}.json")),  # kept where this fails, or the raw data is gone
    params:
        config=lambda w: plan.canonical(plan.dataset_config(params, w.dataset)),
        raw=lambda w: flow.raw_files(params, w.dataset),
        code=code_digest("udd.data"),
    log:
        results("logs/data/{dataset}.log"),
    conda:
        "../envs/udd.yaml"
    shell:
        'python -m udd data --config {params.config:q} --root "$UDD_DATA" --out {output:q} --threads {threads}'
        " 2>&1 | (tee -i {log:q} || :)"
