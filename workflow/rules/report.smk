"""Records -> CSV -> tables and one PDF; sets, curves and measurements -> figures; a set, its evaluation
and losses -> its page."""

from shutil import which

from udd.reports.quoted import FOLDER as QUOTED

# The page shows a PDF, and only hands out CSV and Markdown
ALL = {"caption": "../report/pdf.rst", "labels": {"table": "all", "file": "PDF"}}


localrules:  # on a cluster they run where Snakemake does: seconds each
    collect,
    collect_request,
    tables,
    pdf,
    figures,
    page,


rule collect:
    input:
        [results(f"accuracy/{record.path}") for record in requested.all_records(params)],
        [results(f"utilization/{analysis.measurement_path(*found)}") for found in analysis.measurements(params)],
    output:
        results("accuracy.csv"),
        results("utilization.csv"),
        results("metrics.json"),
    params:
        config=lambda w: plan.canonical(params),  # no text, in which Snakemake would look for wildcards
        code=code_digest("udd.reports.collect"),
    log:
        results("logs/collect.log"),
    conda:
        "../envs/udd.yaml"
    shell:
        "python -m udd collect --config {params.config:q} 2>&1 | (tee -i {log:q} || :)"


rule collect_request:
    """The same for one table, or one figure of accuracies, so that it can be asked for alone."""
    input:
        lambda w: [results(path) for path in flow.collected(params, w.request)],
    output:
        results("collected/{request}/accuracy.csv"),
        results("collected/{request}/utilization.csv"),
        results("collected/{request}/metrics.json"),
    params:
        config=lambda w: plan.canonical(requested.only(params, w.request)),
        code=code_digest("udd.reports.collect"),
        out=subpath(output[0], parent=True),
    wildcard_constraints:
        request=flow.pick(flow.collected_requests(params)),
    log:
        results("logs/collect/{request}.log"),
    conda:
        "../envs/udd.yaml"
    shell:
        "python -m udd collect --config {params.config:q} --out {params.out:q} > {log:q} 2>&1"


rule tables:
    input:
        accuracy=results("collected/{table}/accuracy.csv"),
        curves=lambda w: [results(path) for path in flow.timed(params, w.table)],
    output:
        tex=report(results("tables/{table}.tex"), **flow.reported("table", "table", "LaTeX")),
        markdown=report(results("tables/{table}.md"), **flow.reported("table", "table", "Markdown")),
        csv=report(results("tables/{table}.csv"), **flow.reported("table", "table", "CSV")),
    params:
        config=lambda w: plan.canonical(analysis.table_config(params, w.table)),
        code=code_digest("udd.reports.tables"),
        quoted=flow.digest(QUOTED),
        folder=subpath(output.tex, parent=True),
        results=lambda w: params["results"],
    wildcard_constraints:
        table=flow.pick(params["tables"]),
    log:
        results("logs/tables/{table}.log"),
    conda:
        "../envs/udd.yaml"
    shell:
        "python -m udd tables --config {params.config:q} --accuracy {input.accuracy:q}"
        " --results {params.results:q} --out-dir {params.folder:q}"
        " 2>&1 | (tee -i {log:q} || :)"


rule pdf:
    input:
        [results(f"tables/{table}.tex") for table in params["tables"]],
    output:
        source=results("tables/all.tex"),
        pdf=[report(results("tables/tables.pdf"), **(flow.reported("table", "", "PDF") | ALL))]
        if which("pdflatex")
        else [],
    params:
        code=code_digest("udd.reports.pdf"),
        names=list(params["tables"]),
        folder=subpath(output.source, parent=True),
    log:
        results("logs/pdf.log"),
    conda:
        "../envs/udd.yaml"
    shell:
        "python -m udd pdf --tables {params.folder:q} --names {params.names} 2>&1 | (tee -i {log:q} || :)"


rule figures:
    input:
        lambda w: [results(path) for path in flow.drawn_from(params, w.stem)],
    output:
        png=report(results("figures/{stem}.png"), **flow.reported("figure", "stem", "PNG")),
        pdf=results("figures/{stem}.pdf"),
    params:
        config=lambda w: plan.canonical(analysis.figure_config(params, flow.drawing(params, w.stem))),
        code=code_digest("udd.reports.figures"),
        results=lambda w: params["results"],
        collected=lambda w: results(f"collected/{flow.drawing(params, w.stem).name}"),
    wildcard_constraints:
        stem=flow.pick(drawing.stem for drawing in analysis.drawings(params)),
    log:
        results("logs/figures/{stem}.log"),
    conda:
        "../envs/udd.yaml"
    shell:
        "python -m udd figures --config {params.config:q} --results {params.results:q} --collected {params.collected:q}"
        ' --root "$UDD_DATA" --out {output.png:q} {output.pdf:q} 2>&1 | (tee -i {log:q} || :)'


rule page:
    """Of any set that the parameters can name; `figures.pages` says of which without being asked for each."""
    input:
        unpack(lambda w: flow.page_of(params, w)),
    output:
        page=report(results("pages/{dataset}/ipc{ipc}/{variant}/seed{seed}.html"), **flow.reported_set("HTML")),
        gallery=report(results("pages/{dataset}/ipc{ipc}/{variant}/seed{seed}.png"), **flow.reported_set("PNG")),
    params:
        code=code_digest("udd.reports.show"),
        shown=lambda w, input: flow.page_options(params, w, input),
    wildcard_constraints:
        ipc=r"[1-9]\d*",
        variant=flow.pick(name for name in params["variants"] if plan.method(params, name) != "full"),
    log:
        results("logs/pages/{dataset}/ipc{ipc}/{variant}/seed{seed}.log"),
    conda:
        "../envs/udd.yaml"
    shell:
        "python -m udd show {input.set:q} --html {output.page:q} --out {output.gallery:q} --embedded {params.shown}"
        " 2>&1 | (tee -i {log:q} || :)"
