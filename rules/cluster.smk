# What jobs on the nodes of a cluster go by; which rules stay where the run began, their own files say (`localrules`).
# Each job there is a Snakemake of its own, which reads the Snakefile again, perhaps hours after the run began.

import hashlib
from pathlib import Path

from snakemake.persistence.file import FilePersistence

from digitflow.base import files
from digitflow.training import device as devices

CONFIGURATIONS = ".snakemake/digitflow-configurations"

# Only the process that submits jobs records what outputs were made from. Until it has done so, they stay marked as
# incomplete, with the job's number on the cluster: if it is killed, and the job ends well, nothing else tells that the
# record is missing.
if workflow.remote_exec:
    FilePersistence._mark_incomplete = FilePersistence._unmark_incomplete = lambda self, *_: None


def prepare_nodes():
    """Fix what jobs on nodes go by, before the first is submitted."""
    # A node puts the old outputs of a job that has failed back. Snakemake would then delete them here, where it finds no
    # copy of them any more.
    workflow.execution_settings.keep_incomplete = True
    # The configuration is the one of now, even if its files are edited while jobs wait.
    digest = hashlib.sha256(schema.canonical(config, ordered=True).encode()).hexdigest()[:16]
    snapshot = os.path.abspath(f"{CONFIGURATIONS}/{digest}.json")
    files.write_json(snapshot, config)
    workflow.config_settings.configfiles, workflow.config_settings.config_args = [Path(snapshot)], ""
    # What asks for no GPU must take none.
    if not devices.has_driver():
        os.environ[devices.AUTO] = "cpu"
