"""The replicates of one cell, trained as one network: R networks of C channels as one of R C channels in R groups."""
