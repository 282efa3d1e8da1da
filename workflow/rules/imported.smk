"""Sets that lie in files, other people's by `udd import`: each taken as a cell's set, like any other. What is written
are the file's own pixels, whatever the code: an edit measures nothing anew."""

localrules:  # on a cluster it runs where Snakemake does: a second each
    imported,


rule imported:
    input:
        manifest=results("data/{dataset}.json"),
        file=lambda w: flow.imported_file(params, w),
    output:
        results("synthetic/{dataset}/ipc{ipc}/{variant}/seed{seed}.safetensors"),
    params:
        config=lambda w: flow.set_config(params, w),
    wildcard_constraints:
        variant=flow.pick(plan.makers(params, plan.variants(params, "imported"))),
    log:
        results("logs/imported/{dataset}/ipc{ipc}/{variant}/seed{seed}.log"),
    conda:
        "../envs/udd.yaml"
    shell:
        "python -m udd import --config {params.config:q} --manifest {input.manifest:q} --file {input.file:q}"
        " --out {output:q} 2>&1 | (tee -i {log:q} || :)"
