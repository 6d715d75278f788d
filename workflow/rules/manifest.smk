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
        # Not the schema's path, or moving the project would be a reason to begin anew.
        spec=lambda wildcards: canonical(settings.manifest_spec(cfg, wildcards.dataset)),
    shell:
        "python -m dsnet manifest"
        " --spec {params.spec:q}"
        " --schema {SCHEMAS:q}/manifest.schema.yaml"
        " --jobs {threads}"
        " --output {output:q}"
        " 2> {log:q}"
