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
    threads: 8
    params:
        # Without the schema's path and max_broken, which do not change what comes out.
        spec=lambda wildcards: canonical(settings.manifest_spec(cfg, wildcards.dataset)),
    shell:
        "python -m dsnet manifest"
        " --spec {params.spec:q}"
        " --max-broken {cfg[max_broken]}"
        " --schema {SCHEMAS:q}/manifest.schema.yaml"
        " --jobs {threads}"
        " --output {output:q}"
        " 2> {log:q}"
