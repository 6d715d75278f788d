rule latency:
    """Measure milliseconds, parameters and GFLOPs per clip, with and without flow."""
    input:
        clips=clips()[0],
        models=[
            f"{runs()[0]}/{name}/model.pt"
            for _, names in streams.latency_rows(experiment)
            for name in names
        ],
    output:
        multiext("<results>/tables/latency", ".csv", ".md", ".tex"),
        report(
            "<results>/tables/latency.html",
            category="Tables",
            caption="../report/latency.rst",
            labels={"what": "cost of inference"},
        ),
    log:
        "<logs>/latency.log",
    benchmark:
        "<benchmarks>/latency.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 8  # free cores, so that other jobs do not slow the measurement
    resources:
        gpu=experiment.training.n_gpus(),
        device=experiment.training.device,
        arithmetic=experiment.training.threads,
        runtime=growing(60),
        mem_mb=growing(16000),
    params:
        **determined_by("latency"),
    shell:
        command("latency")
