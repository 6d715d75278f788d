rule manifest:
    """List the videos of a data set, probe each, and divide them into shards."""
    input:
        listed_files,
    output:
        "<data>/{dataset}/manifest.csv",
    log:
        "<logs>/{dataset}/manifest.log",
    benchmark:
        "<benchmarks>/{dataset}/manifest.tsv"
    conda:
        "../../envs/video.yaml"
    threads: 8
    # As resources, since they change nothing of what comes out and so are no reason to rerun.
    resources:
        max_broken=str(experiment.max_broken),
        schema=str(SCHEMAS / "manifest.schema.yaml"),
    params:
        **determined_by("manifest"),
        videos=lambda wildcards: videos_digest(wildcards.dataset),
    shell:
        command("manifest")
