"""`snakemake --lint`, but for the findings that are meant."""

import re
import subprocess
import sys
from pathlib import Path

MEANT = re.compile(
    # All rules share pinned environments.
    r"Specify a conda environment or container for each rule\."
    # Parts of names that begin with a slash, so that a training without folds has none.
    r'|Absolute path "/(fold|given).*" in line \d+'
    # A function that one rule file needs stands beside its rules.
    r"|Mixed rules and functions in same snakefile\."
    # Where an interpreter or the store lies; as a param it would make models again when that is moved.
    r"|Shell command directly uses variable (MXNET_PYTHON|KAGGLE_PYTHON|STORE) from outside of the rule"
    # Folders whose files no input names: what they hold is not known before.
    r"|Param (trees|receipts) is a prefix of input or output file but hardcoded"
)


def main() -> int:
    """Print every other finding; returns 1 where there is one, or where the linter itself failed."""
    command = [Path(sys.executable).with_name("snakemake"), "--lint"]
    report = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    if not re.search(r"^Lints for ", report, re.MULTILINE):
        print(report)
        return 1
    found = []
    for line in report.splitlines():
        if line.startswith("Lints for "):
            place = line.removeprefix("Lints for ")
        elif line.startswith("    * ") and not MEANT.fullmatch(line[6:].rstrip(":")):
            found.append(f"{place} {line.removeprefix('    * ')}")
    print("\n".join(found))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
