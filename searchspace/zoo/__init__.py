"""The zoo: published networks by name, in families' files; `files` reads them, `networks` makes them."""
