"""`snakemake --lint`, but for the one finding that is meant: all rules share pinned environments."""

import re
import subprocess
import sys
from pathlib import Path

MEANT = "Specify a conda environment or container for each rule."


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
        elif line.startswith("    * ") and MEANT not in line:
            found.append(f"{place} {line.removeprefix('    * ')}")
    print("\n".join(found))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
