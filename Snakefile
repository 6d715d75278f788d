# dsnet: videos -> frames -> flow -> clips -> streams -> fusion -> Table 1 and Table 2.
#
#   snakemake --cores all                                              the default experiment
#   snakemake --cores all --configfile experiments/weizmann.yaml       another one
#   snakemake --cores all table1                                       or table2, flow, students
#   snakemake -n                                                       what would run, and why
from snakemake.utils import min_version

min_version("9.27")


configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/videos.smk"
include: "workflow/rules/manifest.smk"
include: "workflow/rules/frames.smk"
include: "workflow/rules/flow.smk"
include: "workflow/rules/pack.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/fuse.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/latency.smk"
include: "workflow/rules/pages.smk"
include: "workflow/rules/targets.smk"


rule all:
    """Make all tables, figures and pages."""
    default_target: True
    input:
        [getattr(rules, table).output for table in tables()],
        rules.latency.output,
        figures(),
        pages(),
        # Snakemake does not remake deleted intermediate files unless they are asked for.
        intermediates(),
    localrule: True
