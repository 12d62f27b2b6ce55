"""Where examples come from, a file each: digits, arrays, folder, parquet, hf. No torch.

Each has a function `catalog` that tells what there is without reading pixels (`catalog.py` says what a catalog holds).
`split.py` makes the parts, `images.py` decodes, `cache.py` keeps what was decoded, `memo.py` remembers what was learnt
of files, `rows.py` opens a part with all of these.
"""
