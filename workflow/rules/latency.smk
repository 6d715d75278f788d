rule latency:
    """Measure milliseconds, parameters and GFLOPs per clip, with and without TV-L1."""
    input:
        clips=clips()[0],
        models=[
            f"{runs()[0]}/{name}/model.pt"
            for _, names in settings.latency_rows(cfg)
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
        gpu=cfg["training"]["gpus"],
        device=cfg["training"]["device"],
        arithmetic=cfg["training"]["threads"],
    params:
        spec=latency_spec,
        code=stage_code("latency"),
    shell:
        "python -m dsnet latency"
        " --spec {params.spec:q}"
        " --clips {input.clips:q}"
        " --models {input.models:q}"
        " --device {resources.device}"
        " --threads {resources.arithmetic}"
        " --output {output:q}"
        " 2> {log:q}"
