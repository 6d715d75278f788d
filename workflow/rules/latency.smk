rule latency:
    """Measure milliseconds, parameters and GFLOPs per clip, with and without TV-L1."""
    input:
        clips=clips()[0],
        models=[
            f"{runs()[0]}/{name}/model.pt"
            for _, names in streams.latency_rows(experiment)
            for name in names
        ],
    output:
        report(
            multiext(f"{TABLES}/latency", ".csv", ".md", ".tex", ".html"),
            category="Tables",
            caption="../report/latency.rst",
        ),
    log:
        f"{LOGS}/latency.log",
    benchmark:
        f"{COSTS}/latency.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 8  # cores of its own, or others would slow it
    resources:
        gpu=experiment.training.gpus,
        device=experiment.training.device,
        arithmetic=experiment.training.threads,
    params:
        **determined_by("latency"),
    shell:
        command("latency")
