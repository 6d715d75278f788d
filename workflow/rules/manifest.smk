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
    # Resources, not params: they do not change the output, so they must not cause a rerun.
    resources:
        max_broken=str(experiment.max_broken),
        schema=str(SCHEMAS / "manifest.schema.yaml"),
    params:
        **determined_by("manifest"),
        videos=lambda wildcards: videos_digest(wildcards.dataset),
    shell:
        command("manifest")
