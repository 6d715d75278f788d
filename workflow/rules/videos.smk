rule videos:
    """Make the videos of the built-in data set."""
    output:
        videos=directory("<data>/{dataset}/videos"),
        index="<data>/{dataset}/videos.json",
    log:
        "<logs>/{dataset}/videos.log",
    benchmark:
        "<benchmarks>/{dataset}/videos.tsv"
    conda:
        "../../envs/video.yaml"
    threads: 8
    params:
        **determined_by("videos"),
    shell:
        command("videos")
