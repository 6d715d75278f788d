# Seconds each, too short for a cluster's queue. Most of them are the start of Python. So one job
# makes all fusions of a run that the same tables and figures read: fuse, fuse_table2, and others.
for name, batch in streams.batches(experiment).items():

    rule:
        """Fuse the scores of streams: all fusions with the same readers at once."""
        name:
            name
        input:
            scores=[
                f"<results>/<run>/{stream}/scores.h5"
                for stream in dict.fromkeys(each for names, _ in batch for each in names)
            ],
        output:
            [fusion_file("<results>/<run>", *each) for each in batch],
        log:
            f"<logs>/<run>/fusion/{name}.log",
        benchmark:
            f"<benchmarks>/<run>/fusion/{name}.tsv"
        localrule: True
        conda:
            "../../envs/train.yaml"
        params:
            **determined_by("fuse", batch),
        shell:
            command("fuse")
