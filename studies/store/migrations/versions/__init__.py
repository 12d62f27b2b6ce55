"""One file per version of the schema, in order; none is changed after its release."""
