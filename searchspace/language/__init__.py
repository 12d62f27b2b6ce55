"""The language of a study file: reading YAML, variables and expressions, macros, mistakes as sentences."""
