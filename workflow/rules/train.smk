rule train:
    """Train one stream, after the stream it starts from and its teachers."""
    input:
        clips=rules.pack.output.clips,
        init=lambda wildcards: model_of(wildcards, "init"),
        teacher=lambda wildcards: model_of(wildcards, "teacher"),
        second_teacher=lambda wildcards: model_of(wildcards, "second_teacher"),
    output:
        model="<results>/<run>/{stream}/model.pt",
        history="<results>/<run>/{stream}/history.csv",
        tensorboard=directory("<results>/<run>/{stream}/tensorboard"),
    log:
        "<logs>/<run>/{stream}/train.log",
    benchmark:
        "<benchmarks>/<run>/{stream}/train.tsv"
    conda:
        "../../envs/train.yaml"
    threads: lambda wildcards: training_of(wildcards).busy_cores()
    resources:
        gpu=lambda wildcards: training_of(wildcards).n_gpus(),
        arithmetic=lambda wildcards: training_of(wildcards).threads,
        workers=lambda wildcards: training_of(wildcards).n_workers(),
        processes=lambda wildcards: training_of(wildcards).n_processes(),
        device=lambda wildcards: training_of(wildcards).device,
        runtime=growing(1440, at_most=2880),
        mem_mb=growing(32000),
    params:
        **determined_by("train"),
        folder=subpath(output.model, parent=True),
    shell:
        command("train")
