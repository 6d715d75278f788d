rule manifest:
    # List the videos of a data set, probe each, and divide them into shards.
    input:
        listed_files,
    output:
        f"{DATASET}/manifest.csv",
    log:
        f"{LOGS}/{{dataset}}/manifest.log",
    conda:
        "../../envs/video.yaml"
    threads: workflow.cores
    params:
        spec=lambda wildcards: canonical(settings.manifest_spec(cfg, wildcards.dataset)),
        schema=str(SCHEMAS / "manifest.schema.yaml"),
    shell:
        "python -m dsnet manifest"
        " --spec {params.spec:q}"
        " --schema {params.schema:q}"
        " --jobs {threads}"
        " --output {output:q}"
        " 2> {log:q}"
