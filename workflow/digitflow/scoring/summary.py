"""What a run says at its end: the tables of scores and of pairs, as they were written."""

from typing import TYPE_CHECKING, Any

from digitflow.base.files import PathLike
from digitflow.scoring.measures import over_seeds
from digitflow.scoring.pairs import format_pairs, format_worse_merge, read_pairs
from digitflow.scoring.table import LOOKED, MERGED, read_table

if TYPE_CHECKING:
    import pandas

NAMES = {"valid": "validation", "test": "test"}
LOOKED_NOTE = (
    "* a little too good: early stopping, pruning, the schedule or the merge weights looked at these rows"
)


def closing_text(scores_csv: PathLike | None, comparisons_csv: PathLike | None) -> str:
    """The closing lines of a run for the tables that were part of it; empty without any."""
    lines, pairs = [], None
    if scores_csv:
        scores = read_table(scores_csv)
        lines += [format_table(scores), *format_looked(scores), *format_seeds(scores)]
    if comparisons_csv:
        pairs = read_pairs(comparisons_csv)
        lines += [*format_pairs(pairs), *format_worse_merge(pairs)]
    if scores_csv:
        lines += format_best(scores, pairs)
    return "\n".join(lines)


def format_table(scores: "pandas.DataFrame") -> str:
    """The table as text for people: accuracies in per cent with their 95 % intervals."""
    import pandas

    shown = pandas.DataFrame(
        {
            "model": scores["model"],
            "seed": [f"{seed:.0f}" if seed == seed else "" for seed in scores["seed"]],
            **{
                f"{name} %": [_percent(row, part) for _, row in scores.iterrows()]
                for part, name in NAMES.items()
            },
            "seconds": [f"{seconds:,.0f}" if seconds == seconds else "" for seconds in scores["seconds"]],
        }
    )
    return "\n".join(map(str.rstrip, shown.to_string(index=False, justify="left").splitlines()))


def format_looked(scores: "pandas.DataFrame") -> list[str]:
    """The footnote of the table, if a validation accuracy is marked."""
    marked = scores[LOOKED].eq(True) & scores["valid_accuracy"].notna()
    return [LOOKED_NOTE] if marked.any() else []


def format_seeds(scores: "pandas.DataFrame") -> list[str]:
    """A line for each model with several seeds: their mean accuracy +- standard deviation."""
    lines = []
    for name, seeds in scores.groupby("model", sort=False):
        known = [part for part in NAMES if seeds[f"{part}_accuracy"].notna().all()]
        if len(seeds) < 2 or not known:
            continue
        means = []
        for part in known:
            mean, deviation = over_seeds(seeds[f"{part}_accuracy"].tolist())
            means.append(f"{NAMES[part]} {100 * mean:.2f} +- {100 * deviation:.2f} %")
        lines.append(f"{name}, {len(seeds)} seeds: {', '.join(means)}")
    return lines


def format_best(scores: "pandas.DataFrame", pairs: "pandas.DataFrame | None" = None) -> list[str]:
    """Which submission is the best by the validation rows, if it is a single model's and not the merge.

    A model's submission averages its seeds, and how good the average is, only the table of `pairs` says, if
    it is about these rows. Without it, nothing is said if a model has several seeds.
    """
    if pairs is not None and (pairs["rows"] == "validation").any():
        merged = pairs[pairs["second"] == MERGED]
        ahead = (merged["only_first"] - merged["only_second"]).set_axis(merged["first"])
    else:
        alone = scores.set_index("model")["valid_accuracy"].dropna()
        if MERGED not in alone or not alone.index.is_unique:
            return []
        ahead = alone.drop(MERGED) - alone[MERGED]
    if ahead.empty or ahead.max() <= 0:
        return []
    best = ahead.idxmax()
    seeds = ", its seeds averaged" if (scores["model"] == best).sum() > 1 else ""
    return [f"The best single model by the validation rows: {best}{seeds} (results/submissions/{best}.csv)"]


def _percent(row: Any, part: str) -> str:
    value, low, high = (100 * row[f"{part}_{name}"] for name in ("accuracy", "low", "high"))
    if value != value:
        return "not known"
    mark = "*" if part == "valid" and row[LOOKED] == True else ""  # noqa: E712 - it may be not a number
    return f"{value:.2f} ({low:.2f}-{high:.2f}){mark}"
