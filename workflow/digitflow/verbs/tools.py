"""Verbs for people, which no rule calls."""

from digitflow.verbs.commandline import Input


def why(module: str) -> None:
    """Say which verbs an edit of a module makes run again, and by which imports: digitflow why --module
    formats/png.py.
    """
    from digitflow import codedigest
    from digitflow.verbs import commandline

    name = module.removeprefix("workflow/digitflow/").removesuffix(".py").replace("/", ".")
    codedigest.check_module(name)
    for verb in commandline.all_verbs():
        if chain := codedigest.explain(commandline.module_of(verb), verb, name):
            print(f"{verb}: {' -> '.join(chain)}")


def clean_stale(configfile: list[Input] | None = None, remove: bool = False) -> None:
    """List what earlier configurations have left and this one does not ask for; with --remove true, remove
    it.
    """
    from digitflow import config, stale
    from digitflow.base.files import remove_whole

    found = stale.find(config.load(configfile or []))
    for path in found:
        print(path)
    if remove:
        remove_whole(found)
    elif found:
        print(f"{len(found)} left by other configurations; --remove true removes them")
