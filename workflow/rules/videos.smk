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
        **determined_by("videos"),
    shell:
        command("videos")
