"""The verbs: plain functions without logic, one module for each rule file; `tools` has those for people.

What a verb needs is imported when it runs: MXNet's environment has no Keras, and the other way round, and a
conversion should not wait for either. So these modules are light, and the Snakefile reads their signatures.
"""

MODULES = ("fetch", "convert", "train", "submit", "score", "kaggle", "look", "study", "tools")
