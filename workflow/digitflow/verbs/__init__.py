"""The verbs: plain functions without logic, one module for each rule file; `tools` has those for people.

A verb imports what it needs when it runs: MXNet's environment has no Keras, and vice versa, and a conversion
should not wait for either. So these modules are light enough for the Snakefile to read their signatures:
at their top they import only what the Snakefile has loaded already.
"""

MODULES = ("fetch", "convert", "train", "submit", "score", "kaggle", "look", "study", "tools")
