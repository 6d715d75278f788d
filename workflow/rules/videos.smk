rule videos:
    """Make the videos of the built-in data set."""
    output:
        videos=directory(f"{DATASET}/videos"),
        index=f"{DATASET}/videos.json",
    log:
        f"{LOGS}/{{dataset}}/videos.log",
    benchmark:
        f"{COSTS}/{{dataset}}/videos.tsv"
    conda:
        "../../envs/video.yaml"
    threads: 8
    params:
        spec=lambda wildcards: canonical(settings.videos_spec(cfg, wildcards.dataset)),
    shell:
        "python -m dsnet videos"
        " --spec {params.spec:q}"
        " --jobs {threads}"
        " --output {output.videos:q}"
        " --index {output.index:q}"
        " 2> {log:q}"
