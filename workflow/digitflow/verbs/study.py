"""Verbs of rules/study.smk: rank experiments, draw them, and put them on a page."""

from digitflow.verbs.commandline import Input, Json, Output


def study(
    valid_lst: Input,
    table: Output,
    pairs: Output,
    figure: Output,
    study: Json,
    models: str,
    solution: Input | None = None,
) -> None:
    """Rank the points of a study, compare the best, and draw its figure."""
    from digitflow.studies import figure as figures
    from digitflow.studies import table as tables

    results = tables.read(study, models)
    tables.write_table(table, results)
    tables.write_pairs(pairs, results, valid_lst, solution)
    figures.study_figure(figure, results)
    tables.say_ranking(study["title"], results, table)


def experiments(
    tables: list[Input],
    pairs: list[Input],
    figures: list[Input],
    page: Output,
    studies: Json,
    models: str,
    learning_rates: str,
) -> None:
    """Put all studies on one page, with copies of their tables and figures beside it."""
    from digitflow.studies import page as pages

    pages.write(page, pages.read(studies, tables, pairs, figures), models, learning_rates)
