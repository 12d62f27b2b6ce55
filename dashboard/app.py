"""The dashboard's entry, which `python -m dashboard.serve` starts: the pages, and what is the same on all of them."""

from __future__ import annotations

import streamlit as st

# Each file in views/ and its title in the browser.
PAGES = {"studies": "Studies", "study": "Study", "design": "Design", "network": "Network"}
# Less empty space, smaller headings, and links that stand flush with the text below them. Not a theme of our own, with
# which Streamlit would no longer follow the browser between light and dark.
STYLE = """<style>
.stMainBlockContainer { padding-top: 3.75rem; padding-bottom: 3rem }
[data-testid="stPageLink-NavLink"] { padding-left: 0 }
[data-testid="stPageLink-NavLink"] strong { font-size: 1.15rem }
[data-testid="stMetricValue"] { font-size: 1.5rem }
h1 { font-size: 2rem !important }
h3 { font-size: 1.25rem !important }
</style>"""


def main() -> None:
    """Run the page that the URL names."""
    st.set_page_config(layout="wide")
    st.html(STYLE)
    pages = [
        st.Page(f"views/{name}.py", title=f"{title} · archstudy", icon=":material/lan:", default=name == "studies")
        for name, title in PAGES.items()
    ]
    st.navigation(pages, position="hidden").run()


if __name__ == "__main__":
    main()
