rule latency:
    # Milliseconds, parameters and GFLOPs per clip, with and without TV-L1; on cores of its own.
    input:
        clips=f"{RESULTS}/{cfg['datasets'][0]}/clips.h5",
        models=[f"{runs()[0]}/{name}/model.pt" for _, names in latency_rows() for name in names],
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
    threads: 8
    resources:
        gpu=training("gpus"),
        device=training("device"),
        arithmetic=training("threads"),
    params:
        spec=canonical({"options": cfg["latency"], "rows": latency_rows()}),
        code=code_digest("dsnet.latency"),
    shell:
        "python -m dsnet latency"
        " --spec {params.spec:q}"
        " --clips {input.clips:q}"
        " --models {input.models:q}"
        " --device {resources.device}"
        " --threads {resources.arithmetic}"
        " --output {output:q}"
        " 2> {log:q}"
