"""What the Snakemake rules need to know, as plain functions. Never imports torch."""

from udd.workflow.end import failed, give_back, set_aside, succeeded
from udd.workflow.paths import COLLECTED, VERSIONED, cell, collected_requests, pick, record, under, wanted
from udd.workflow.records import keep_records, records_file, restore_records
from udd.workflow.rules import (
    cache_config,
    cache_of,
    cache_option,
    collected,
    digest,
    drawing,
    drawn_from,
    evaluation_code,
    evaluation_config,
    imported_file,
    measured,
    method_code,
    page_of,
    page_options,
    raw_files,
    reported,
    reported_set,
    set_config,
    set_option,
    timed,
    utilization_config,
)
from udd.workflow.start import (
    MALLOC,
    amount,
    checked,
    gpu_visible,
    gpus_a_job,
    make_folders,
    may_queue_again,
    prepare_environment,
    readable,
    reportable,
)
