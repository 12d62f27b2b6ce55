"""A study as one offline file: `content.report` makes a Document of its rows, `html` and `markdown` write it.

Nothing is imported here: matplotlib is loaded by whoever makes a report, and by nobody else.
"""
