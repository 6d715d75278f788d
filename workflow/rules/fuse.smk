# Seconds each, too short for a cluster's queue.
rule fuse:
    """Fuse the scores of two or more streams."""
    input:
        scores=fused_scores,
    output:
        "<results>/<run>/fusion/{fused}.{kind}.json",
    log:
        "<logs>/<run>/fusion/{fused}.{kind}.log",
    benchmark:
        "<benchmarks>/<run>/fusion/{fused}.{kind}.tsv"
    localrule: True
    conda:
        "../../envs/train.yaml"
    params:
        **determined_by("fuse"),
    shell:
        command("fuse")
